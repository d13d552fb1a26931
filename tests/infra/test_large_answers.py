"""Do real clients get an answer that is larger than Lambda returns, and keep their token to themselves on the way?"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import openai
import pytest

from tests.infra.test_laptop import Laptop, free_port, laptop
from tests.upstream import Upstream, openai_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("laptop")]

MODEL = "large"
TEXTS = [f"text {number}" for number in range(2048)]


@dataclass(frozen=True, slots=True)
class Large:
    """The laptop's stack with a route to vectors of 1536 numbers."""

    laptop: Laptop
    upstream: Upstream
    state: Path

    def are_right(self, embeddings: Sequence[str | list[float]], texts: Sequence[str]) -> bool:
        """Tell whether each vector is that of its text, to the last bit."""
        return all(
            _bits(embedding) == self.upstream.vector_of(text).tobytes()
            for embedding, text in zip(embeddings, texts, strict=True)
        )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    state = tmp_path_factory.mktemp("large")
    with openai_upstream() as upstream:
        route = state / "route.json"
        route.write_text(upstream.route(MODEL))
        apply = ("-m", "embedge.cli", "--state", str(state), "routes", "apply", str(route))
        subprocess.run([sys.executable, *apply], check=True, capture_output=True)
        with laptop(state, free_port()) as running:
            yield Large(running, upstream, state)


def _bits(embedding: str | list[float]) -> bytes:
    if isinstance(embedding, str):
        return base64.b64decode(embedding)
    return np.array(embedding, dtype="<f4").tobytes()


@pytest.mark.parametrize("count", [1000, 2048])
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_openai_python_gets_every_vector_and_shows_its_token_to_the_router_alone(
    large: Large, count: int, encoding: Literal["base64", "float"]
) -> None:
    with large.laptop.client() as client:
        raw = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS[:count], encoding_format=encoding)
        (first,) = raw.http_response.history
        assert first.status_code == 303
        assert first.request.headers["authorization"]
        assert "authorization" not in raw.http_response.request.headers
        assert first.url.port != raw.http_response.url.port
        assert large.are_right([row.embedding for row in raw.parse().data], TEXTS[:count])


async def test_openai_python_async_follows_too(large: Large) -> None:
    url, token = large.laptop.shown("Base URL"), large.laptop.shown("Token")
    async with openai.AsyncOpenAI(base_url=url, api_key=token, max_retries=0) as client:
        answer = await client.embeddings.create(model=MODEL, input=TEXTS[:1000])
    assert large.are_right([row.embedding for row in answer.data], TEXTS[:1000])


@pytest.mark.parametrize("follow", [True, False])
def test_curl_gets_the_answer_where_it_follows_and_is_told_where_it_is_where_not(
    large: Large,
    follow: bool,  # noqa: FBT001 (what is tested)
    tmp_path: Path,
) -> None:
    url, token = large.laptop.shown("Base URL"), large.laptop.shown("Token")
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": MODEL, "input": TEXTS[:1000]}))
    command = ["/usr/bin/env", "curl", "--silent", "--show-error", *(["--location"] if follow else [])]
    headers = ["--header", f"Authorization: Bearer {token}", "--header", "Content-Type: application/json"]
    done = subprocess.run(
        [*command, *headers, "--data", f"@{body}", f"{url}/embeddings"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    if follow:
        assert large.are_right([row["embedding"] for row in answer["data"]], TEXTS[:1000])
    else:
        assert answer["error"]["code"] == "answer_elsewhere"


def test_no_log_and_no_screen_shows_where_an_answer_was(large: Large) -> None:
    with large.laptop.client() as client:
        client.embeddings.create(model=MODEL, input=TEXTS[:1000])
    log = (large.state / "embedge.log").read_text()
    assert '"status":303' in log or '"status": 303' in log
    assert "Signature" not in log
    assert "/answers/" not in log
