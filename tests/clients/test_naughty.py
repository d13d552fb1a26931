"""Is every text embedded as it is or refused as a bad request, however odd its characters, and is it a hit again?"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from tests.clients.router import MINILM, REDUCIBLE
from tests.clients.table import those
from tests.clients.test_vectors import got

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.asked import Asked
    from tests.clients.router import Router
    from tests.upstream import Upstream

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

# Words that programs mistake, special tokens, spaces, controls, noncharacters, emoji, marks, directions, scripts.
NAUGHTY: list[str] = json.loads(Path(__file__).with_name("naughty.json").read_text(encoding="ascii"))
HUGE = {
    "spaces": " " * 1_000_000,
    "zero width": "\u200b" * 300_000,
    "marks": "a" + "\u0301" * 300_000,
    "emoji": "\U0001f600" * 200_000,
    "nulls": "\x00" * 500_000,
    "one word": "a" * 1_000_000,
}
NO_TEXT = ["\\ud800", "a\\udfffb", "\\udc00\\ud800", "\\ud83d"]


@pytest.fixture(scope="module")
def http(router: Router) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {router.token('naughty')}"}
    with httpx.Client(base_url=router.url, headers=headers, timeout=60) as client:
        yield client


def ask(http: httpx.Client, model: str, texts: str | list[str]) -> httpx.Response:
    return http.post("/embeddings", json={"model": model, "input": texts, "encoding_format": "base64"})


def embeddings(response: httpx.Response) -> list[str]:
    return [row["embedding"] for row in response.json()["data"]]


@pytest.mark.parametrize("model", [MINILM, REDUCIBLE])
def test_every_text_has_a_vector_and_the_same_one_alone_again_and_in_a_batch(http: httpx.Client, model: str) -> None:
    alone: list[str] = []
    for text in NAUGHTY:
        first, again = ask(http, model, text), ask(http, model, text)
        assert (first.status_code, again.status_code) == (200, 200), ascii(text)
        assert first.headers["x-embedge-cache"] == "hits=0; misses=1", ascii(text)
        assert again.headers["x-embedge-cache"] == "hits=1; misses=0", ascii(text)
        assert first.content == again.content
        alone += embeddings(first)
    batch = ask(http, model, NAUGHTY)
    assert batch.headers["x-embedge-cache"] == f"hits={len(NAUGHTY)}; misses=0"
    assert embeddings(batch) == alone


def test_no_two_texts_are_taken_for_one(http: httpx.Client) -> None:
    assert len(set(embeddings(ask(http, REDUCIBLE, NAUGHTY)))) == len(NAUGHTY)


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("model", [MINILM, REDUCIBLE])
def test_a_huge_text_is_embedded_and_a_hit_again_or_a_bad_request(http: httpx.Client, model: str, name: str) -> None:
    text = HUGE[name]
    first, again = ask(http, model, text), ask(http, model, [text, f"a small one beside {name}"])
    assert first.status_code == again.status_code
    if first.status_code == 200:
        assert again.headers["x-embedge-cache"] == "hits=1; misses=1"
        assert embeddings(again)[0] == embeddings(first)[0]
    else:
        assert first.status_code == 400
        assert first.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("escaped", NO_TEXT)
def test_half_a_character_is_a_bad_request(http: httpx.Client, escaped: str) -> None:
    body = f'{{"model": "{REDUCIBLE}", "input": ["fine", "{escaped}"]}}'
    response = http.post("/embeddings", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


@those(lambda client: not client.sends_tokens)
def test_every_client_s_texts_arrive_as_they_are(client: Asked, router: Router, provider: Upstream) -> None:
    (vectors,) = got(client, router, {"model": REDUCIBLE, "input": NAUGHTY}, tenant="naughty-clients")
    for text, row in zip(NAUGHTY, vectors, strict=True):
        sent = text.replace("\n", " ") if client.client.mends_lines else text
        assert np.array_equal(row, provider.vector_of(sent)), ascii(text)


@those(lambda client: client.sends_tokens)
def test_texts_that_arrive_as_tokens_are_the_texts_that_they_were(client: Asked, router: Router) -> None:
    texts = [text for text in NAUGHTY if "<|" not in text]  # those are no text to tiktoken
    headers = {"Authorization": f"Bearer {router.token('tokens')}"}
    with httpx.Client(base_url=router.url, headers=headers, timeout=60) as plain:
        rows = embeddings(ask(plain, MINILM, texts))
    (vectors,) = got(client, router, {"model": MINILM, "input": texts}, tenant="tokens")
    assert np.array_equal(vectors, np.stack([np.frombuffer(base64.b64decode(row), "<f4") for row in rows]))
