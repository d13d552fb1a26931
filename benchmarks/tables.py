"""What stands behind a function while it is measured? A DynamoDB on this machine, a stub upstream, a token for each."""

import json
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from benchmarks.naive.handler import SECRET
from benchmarks.stub_upstream import route, stub_upstream
from tests.e2e.ministack import DYNAMODB, ministack
from tests.e2e.tables import HASH, VARIABLES, fill
from tests.functions.rest_event import rest_event

DIMENSIONS = 1536
_MODEL = "bench"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a function is asked by: `environment` leads it to what stands behind it."""

    environment: Mapping[str, str]
    token: str

    def event(self, *texts: str) -> dict[str, Any]:
        """Return an event that asks for the vectors of these texts, as base64."""
        body = json.dumps({"model": _MODEL, "input": list(texts), "encoding_format": "base64"}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return rest_event("POST", "/v1/embeddings", headers, body)


@contextmanager
def behind_functions() -> Generator[tuple[Caller, Caller]]:
    """Start it; give who asks our function, and who asks the naive one. Both have to fill their caches first."""
    with ministack(*DYNAMODB) as aws, stub_upstream() as port, tempfile.TemporaryDirectory() as folder:
        document = json.dumps({**json.loads(route(port, DIMENSIONS)), "admit": "always"})
        token = fill(aws.endpoint, Path(folder), [document], {"naive": HASH})
        shared = {**aws.environment, "AWS_ENDPOINT_URL_DYNAMODB": aws.endpoint}
        naive = {"NAIVE_TABLE": "naive", "NAIVE_UPSTREAM": f"http://127.0.0.1:{port}/{DIMENSIONS}"}
        yield (
            Caller({**shared, **VARIABLES}, token),
            Caller(shared | naive, jwt.encode({"sub": "bench"}, SECRET, "HS256")),
        )
