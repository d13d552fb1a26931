"""What does a client see of an answer?"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from embedge.api.account_headers import duration
from tests.api.client import Caller, error_of
from tests.embed.world import DIMENSIONS, MODEL, PRICE, tokens_of, vector_of


def floats(embedding: object) -> np.ndarray[Any, np.dtype[np.float32]]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return np.array(embedding, dtype=np.float32)


async def test_an_answer_has_openai_s_form() -> None:
    response = await Caller().ask(["one", "two"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["object"] == "list"
    assert document["model"] == MODEL
    assert document["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
    assert [(row["object"], row["index"]) for row in document["data"]] == [("embedding", 0), ("embedding", 1)]
    for row, text in zip(document["data"], ["one", "two"], strict=True):
        assert floats(row["embedding"]).tobytes() == vector_of(text).tobytes()


@pytest.mark.parametrize("dimensions", [None, 1, 3, DIMENSIONS])
async def test_float_and_base64_and_hit_and_miss_are_the_same_bits(dimensions: int | None) -> None:
    caller = Caller()
    first = await caller.ask(["a", "b", "a"], encoding_format="base64", dimensions=dimensions)
    second = await caller.ask(["a", "b", "a"], encoding_format="base64", dimensions=dimensions)
    third = await caller.ask(["a", "b", "a"], encoding_format="float", dimensions=dimensions)
    assert first.content == second.content
    as_text = [floats(row["embedding"]).tobytes() for row in first.json()["data"]]
    as_numbers = [floats(row["embedding"]).tobytes() for row in third.json()["data"]]
    assert as_text == as_numbers
    assert all(len(row) == 4 * (dimensions or DIMENSIONS) for row in as_text)


async def test_smaller_vectors_have_length_one_and_come_from_the_one_entry_of_full_size() -> None:
    caller = Caller()
    full = floats((await caller.ask("a")).json()["data"][0]["embedding"])
    cut = floats((await caller.ask("a", dimensions=3)).json()["data"][0]["embedding"])
    assert np.allclose(cut, full[:3] / np.linalg.norm(full[:3]), atol=1e-7)
    assert len(caller.world.cache.values) == 1
    assert len(caller.world.server.asked) == 1


async def test_headers_say_what_was_cached_where_it_came_from_and_what_it_cost() -> None:
    caller = Caller()
    await caller.ask(["a"])
    response = await caller.ask(["a", "b", "b"])
    assert response.headers["x-embedge-cache"] == "hits=1; misses=1"
    assert response.headers["x-embedge-target"] == "target-0"
    assert response.headers["x-embedge-cost-usd"] == "0.00000002"
    assert tokens_of("b") * PRICE // 1_000_000 == 20
    assert response.headers["x-ratelimit-limit-requests"] == "100000"
    assert response.headers["x-ratelimit-remaining-requests"] == "99998"
    assert response.headers["x-ratelimit-limit-tokens"] == "100000000"
    hits = await caller.ask(["a", "b"])
    assert (hits.headers["x-embedge-target"], hits.headers["x-embedge-cost-usd"]) == ("cache", "0")
    assert "x-ratelimit-limit-tokens" not in hits.headers


async def test_null_means_the_default() -> None:
    fields: dict[str, object] = {"encoding_format": None, "dimensions": None, "user": None, "service_tier": None}
    response = await Caller().ask("a", **fields)
    assert isinstance(response.json()["data"][0]["embedding"], list)


async def test_token_ids_go_to_a_model_that_takes_them_and_are_refused_by_one_that_does_not() -> None:
    response = await Caller().ask([[1, 2], [3]])
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, "input", "invalid_value")
    assert "token ids" in error["message"]


@pytest.mark.parametrize(
    ("microseconds", "text"), [(0, "0ms"), (12_000, "12ms"), (2_812_000, "2.812s"), (360_000_000, "6m0s")]
)
def test_a_duration_is_written_as_openai_does(microseconds: int, text: str) -> None:
    assert duration(microseconds) == text


async def test_health_fails_while_nothing_can_be_served() -> None:
    caller = Caller()
    caller.world.control.down = True
    response = await caller.send("GET", "/health")
    assert (response.status_code, error_of(response)["code"]) == (503, "service_unavailable")
