"""Are answers read, added up, compared and ranked as benchmarks/README.md says?"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from decimal import Decimal

import httpx2
import numpy as np
import pytest
from openai import OpenAI

from benchmarks.asking import Encoding, ask_all, look_up
from benchmarks.figures import Answer, Pass, complaints, read_cache_header, rows, table
from benchmarks.passages import Passage
from benchmarks.ranking import shelve


def vector(*numbers: float) -> bytes:
    return np.array(numbers, "<f4").tobytes()


def test_the_place_is_counted_among_distinct_passages() -> None:
    passages = [Passage("near", "same"), Passage("near", "same"), Passage("also", "same"), Passage("far", "other")]
    shelf = shelve(passages, [vector(1, 0), vector(1, 0), vector(1, 0), vector(0, 1)])
    assert shelf.place(vector(0.8, 0.6), "near", 2) == 1
    assert shelf.place(vector(0.8, 0.6), "also", 2) == 1
    assert shelf.place(vector(0.8, 0.6), "far", 2) == 2
    assert shelf.place(vector(0.8, 0.6), "far", 1) is None


@pytest.mark.parametrize("value", ["", "hits=1", "hits=1; misses=-2", "hits=1; misses=2; more"])
def test_another_cache_header_is_refused(value: str) -> None:
    assert read_cache_header("hits=98; misses=2") == (98, 2)
    with pytest.raises(ValueError, match="x-embedge-cache"):
        read_cache_header(value)


FIRST = Pass("first", (Answer((vector(1), vector(2), vector(1)), 0, 2, 1_500_000, Decimal("0.01"), 0.5),))


def test_a_passs_column_adds_up() -> None:
    assert rows(FIRST, Decimal("0.01")) == {
        "inputs": "3",
        "hits": "0",
        "misses": "2",
        "in-batch duplicates": "1",
        "vectors per second": "6",
        "tokens": "1,500,000",
        "cost, USD": "0.01000000",
        "saved, USD": "0.00500000",
    }


def test_a_table_has_its_numbers_to_the_right() -> None:
    columns = {"first": {"hits": "7", "misses": "2,000"}, "second, float": {"hits": "1,000", "misses": "0"}}
    assert table(columns).splitlines() == [
        "        first  second, float",
        "hits        7          1,000",
        "misses  2,000              0",
    ]


def test_a_repeated_pass_must_hit_everything_and_bring_the_same_bits() -> None:
    answer = FIRST.answers[0]
    same = Pass("same", (replace(answer, hits=3, misses=0),))
    missing = Pass("missing", (replace(answer, hits=2, misses=1),))
    last_bit = np.nextafter(np.float32(1), np.float32(2))
    other = Pass("other", (replace(answer, hits=3, vectors=(vector(1), vector(2), vector(last_bit))),))
    assert complaints(FIRST, [same]) == []
    assert complaints(FIRST, [same, missing, other]) == [
        "missing: 1 of 3 inputs were no hits",
        "other: 1 of 3 vectors differ from the first pass's",
    ]


def router(request: httpx2.Request) -> httpx2.Response:
    """Answer as the router does: the first number of a vector is its input's length."""
    if request.method == "GET":
        prices = {"max_input_tokens": 256, "price_usd_per_million_tokens": 0.01}
        return httpx2.Response(200, json={"id": "m", "object": "model", "created": 0, "owned_by": "o", **prices})
    asked = json.loads(request.content)
    vectors = [vector(len(text), 0.1) for text in asked["input"]]
    as_base64 = asked["encoding_format"] == "base64"
    written = [base64.b64encode(v).decode() if as_base64 else np.frombuffer(v, "<f4").tolist() for v in vectors]
    data = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(written)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    headers = {"x-embedge-cache": "hits=0; misses=1", "x-embedge-cost-usd": "0.00000005"}
    answer = {"object": "list", "model": "m", "data": data[::-1], "usage": usage}
    return httpx2.Response(200, json=answer, headers=headers)


@pytest.fixture
def client() -> OpenAI:
    transport = httpx2.Client(transport=httpx2.MockTransport(router))
    return OpenAI(base_url="http://router/v1", api_key="k", max_retries=0, http_client=transport)


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_both_encodings_bring_the_same_bits_in_the_inputs_order(client: OpenAI, encoding: Encoding) -> None:
    asked = ask_all(client, "m", [["a", "bb"], ["ccc"]], encoding, "first")
    assert asked.vectors() == [vector(1, 0.1), vector(2, 0.1), vector(3, 0.1)]
    assert [(answer.hits, answer.misses, answer.tokens) for answer in asked.answers] == [(0, 1, 5)] * 2
    assert sum(answer.cost_usd for answer in asked.answers) == Decimal("0.0000001")


def test_a_models_limit_and_price_are_read_exactly(client: OpenAI) -> None:
    model = look_up(client, "m")
    assert (model.max_input_tokens, model.price_usd_per_million_tokens) == (256, Decimal("0.01"))
