"""What stands behind a function while it is measured? A DynamoDB on this machine, a stub upstream, a token for each."""

import asyncio
import json
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jwt

from benchmarks.naive.handler import SECRET
from benchmarks.stub_upstream import route, stub_upstream
from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.bootstrap import operate_folder
from embedge.cli.key_commands import init_keys
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.settings import Settings
from embedge.verification import ROUTES
from tests.e2e.ministack import DYNAMODB, ministack
from tests.functions.rest_event import rest_event

DIMENSIONS = 1536
_PAIR: dict[str, Literal["S", "B"]] = {"pk": "S", "sk": "S"}
_HASH: dict[str, Literal["S", "B"]] = {"k": "B"}
_TABLES = {"control": _PAIR, "ledger": _PAIR, "cache": _HASH, "naive": _HASH}
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
        token = asyncio.run(_prepare(aws.endpoint, Path(folder), port))
        shared = {**aws.environment, "AWS_ENDPOINT_URL_DYNAMODB": aws.endpoint}
        tables = {f"EMBEDGE_{name.upper()}_TABLE": name for name in ("control", "ledger", "cache")}
        naive = {"NAIVE_TABLE": "naive", "NAIVE_UPSTREAM": f"http://127.0.0.1:{port}/{DIMENSIONS}"}
        yield Caller({**shared, **tables}, token), Caller(shared | naive, jwt.encode({"sub": "bench"}, SECRET, "HS256"))


async def _prepare(endpoint: str, folder: Path, port: int) -> str:
    """Make the tables, a key and a route that keeps everything; return a token."""
    aws = AwsClients(StandIn(endpoint, "us-east-1", "test", "test"))
    operation = operate_folder(folder, Settings(state=folder))
    try:
        client = await aws.dynamodb()
        for name, key in _TABLES.items():
            await client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in key.items()],
                KeySchema=[
                    {"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)
                ],
            )
        deployed = replace(operation, control=DynamoDbControlTable(aws, "control"))
        await init_keys(deployed)
        document = json.dumps({**json.loads(route(port, DIMENSIONS)), "admit": "always"})
        await deployed.control.put(ROUTES, _MODEL, document)
        return await mint(deployed, tenant="bench", scopes=ISSUED_SCOPES, models=("*",), lifetime_s=3600)
    finally:
        await operation.close()
        await aws.close()
