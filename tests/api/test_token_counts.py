"""What does a client see of exact counts: limits to the token, ids as their text, usage that a hit does not change?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from embedge.adapters.tokenizers_local import LocalTokenizers
from embedge.api.app import create_app
from tests.api.client import Caller, error_of
from tests.embed.world import LIMITS, MODEL, PRICE, Setup

IDS, TEXT = [15339, 1917], "hello world"


def caller(setup: Setup | None = None, **route: Any) -> Caller:
    """Return the API in front of a model that counts as OpenAI does, and of the real tokenizers."""
    made = Caller(setup)
    document = json.loads(made.world.control.documents["ROUTES", MODEL])
    route = {"tokenizer": {"family": "cl100k"}, "token_inputs": "cl100k", **route}
    made.world.control.documents["ROUTES", MODEL] = json.dumps({**document, **route})
    services = replace(made.serving.services, tokenizers=LocalTokenizers(pytest.fail))
    made.app = create_app(replace(made.serving, services=services))
    return made


async def test_ids_are_answered_as_their_text_is_and_share_its_entry() -> None:
    api = caller()
    by_ids = await api.ask([IDS, [0]])
    by_text = await api.ask([TEXT, "!"])
    alone = await api.ask(IDS)
    assert by_ids.status_code == 200
    assert by_ids.content == by_text.content
    assert by_text.headers["x-embedge-cache"] == "hits=2; misses=0"
    assert alone.headers["x-embedge-cache"] == "hits=1; misses=0"
    assert api.world.server.asked == [[TEXT, "!"]]
    assert by_ids.json()["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize("unknown", [100_256, 100_257, 100_276, 2**32 - 1])
async def test_an_id_that_is_no_token_of_text_is_refused_by_its_input(unknown: int) -> None:
    api = caller()
    response = await api.ask([IDS, [0, unknown]])
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, "input[1]", "invalid_value")
    assert str(unknown) not in error["message"]
    assert api.world.server.asked == []


async def test_an_empty_array_of_ids_is_refused() -> None:
    nothing: list[int] = []
    assert error_of(await caller().ask(nothing))["code"] == "empty_array"
    assert error_of(await caller().ask([nothing]))["code"] == "invalid_value"
    assert error_of(await caller().ask([IDS, nothing]))["param"] == "input[1]"


async def test_an_input_at_the_maximum_is_taken_and_one_token_more_is_refused_with_index_tokens_and_maximum() -> None:
    api = caller(max_input_tokens=8192)
    assert (await api.ask(["a", " a" * 8192])).status_code == 200
    assert (await api.ask([IDS, [264] * 8192])).headers["x-embedge-cache"] == "hits=1; misses=1"
    for longer in (" a" * 8193, [264] * 8193):
        inputs = ["b", longer] if isinstance(longer, str) else [IDS, longer]
        response = await api.ask(inputs)
        error = error_of(response)
        assert (response.status_code, error["param"]) == (400, "input[1]")
        assert error["code"] == "context_length_exceeded"
        assert error["message"].startswith(
            "This model's maximum context length is 8192 tokens, but input 1 has 8193 tokens."
        )


async def test_what_is_far_too_long_is_refused_without_being_tokenised() -> None:
    error = error_of(await caller().ask(" " * (128 * 8192 * 2)))
    assert error["code"] == "context_length_exceeded"
    assert "input 0 has at least 16384 tokens" in error["message"]


async def test_a_request_at_300_000_tokens_is_taken_and_one_token_more_is_refused() -> None:
    api = caller(Setup(inputs_a_call=2048))
    inputs = [" a" * 6000] * 50
    assert (await api.ask(inputs)).status_code == 200
    response = await api.ask([*inputs, "a"])
    error = error_of(response)
    assert (response.status_code, error["type"], error["param"]) == (400, "max_tokens_per_request", "input")
    assert error["message"].startswith("Requested 300001 tokens, max 300000 tokens per request")


async def test_a_budget_takes_a_long_word_that_its_bytes_would_not_fit() -> None:
    text = "the cat sat on the mat and looked at the weather"
    exact = -(-11 * PRICE // 1_000_000)
    api = caller(Setup(wire="tei", limits=replace(LIMITS, day_nano_usd=exact)))
    answer = await api.ask([text])
    assert (answer.status_code, answer.json()["usage"]["total_tokens"]) == (200, 11)
    assert await api.world.charged_nano_usd() == exact
    assert (await api.ask(["one more"])).status_code == 429


@pytest.mark.parametrize("wire", ["openai", "tei"])
async def test_usage_is_what_was_counted_on_a_hit_as_on_its_miss_whatever_travelled_together(wire: Any) -> None:
    api = caller(Setup(wire=wire))
    texts = [TEXT, "<|endoftext|>", "漢字🙂", TEXT]
    first = await api.ask(texts)
    again = [(await api.ask(text)).json()["usage"]["prompt_tokens"] for text in texts]
    assert first.json()["usage"]["prompt_tokens"] == sum(again)
    assert again[0] == again[3] == 2
    assert again[1] > 1  # special tokens are text here


async def test_a_provider_that_counts_otherwise_is_billed_by_its_count_and_noticed() -> None:
    api = caller()
    answer = await api.ask(["hello world, hello moon"])  # seven tokens there, 5 here
    (seen, _) = api.records.seen[-1]
    assert seen.tokens_billed == 7
    assert seen.miscounted_calls == 1
    assert answer.json()["usage"]["prompt_tokens"] == seen.tokens_served == 5
    assert (await api.ask(["hello world, hello moon"])).json()["usage"]["prompt_tokens"] == 5
    assert api.records.seen[-1][0].miscounted_calls == 0
