"""Does every answer arrive whole: as it is where it fits, and else at the place that a 303 names?"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mangum import Mangum
from starlette.responses import Response

from embedge.api import answer_body
from embedge.core.assembly import Embedded
from embedge.core.gcra import RateState
from embedge.core.kept_answer import LARGEST_KEPT_BYTES
from embedge.core.request import MAX_INPUTS, Encoding
from embedge.core.vector_codec import encode
from embedge.settings import Settings, Tables
from tests.api.client import Caller, error_of
from tests.embed.world import Setup
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# Of the serialised response: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (6 MB), and the
# error that Lambda answers above it, which names the exact number.
LAMBDA_BYTES = 6_291_556
TEXTS = [f"text {number}" for number in range(20)]


def spilling(largest_bytes: int = 1000) -> Caller:
    return Caller(Setup(largest_bytes=largest_bytes))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(100, 4000), st.sampled_from(["float", "base64"]), st.sampled_from([None, 1, 3]))
async def test_an_answer_is_sent_where_it_fits_and_else_kept_and_is_the_same_bytes_either_way(
    count: int, largest_bytes: int, encoding: Encoding, dimensions: int | None
) -> None:
    fields = {"encoding_format": encoding, "dimensions": dimensions}
    whole = (await Caller().ask(TEXTS[:count], **fields)).content
    caller = spilling(largest_bytes)
    response = await caller.ask(TEXTS[:count], **fields)
    if len(whole) <= largest_bytes:
        assert (response.status_code, response.content, caller.answers.kept) == (200, whole, {})
    else:
        assert response.status_code == 303
        assert caller.answers.kept == {response.headers["location"]: ("acme", whole)}


async def test_a_303_says_all_that_the_answer_would_have_said_of_itself_and_to_one_who_stays_what_to_do() -> None:
    caller = spilling()
    await caller.ask(TEXTS[:1])
    response = await caller.ask(TEXTS)
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (303, "answer_elsewhere", None)
    assert "Location" in error["message"]
    assert "120 seconds" in error["message"]
    assert response.headers["x-embedge-cache"] == "hits=1; misses=19"
    assert response.headers["x-embedge-target"] == "target-0"
    assert float(response.headers["x-embedge-cost-usd"]) > 0
    assert response.headers["x-ratelimit-remaining-requests"] == "99998"
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("fails", ["down", "hangs"])
async def test_an_answer_that_cannot_be_kept_is_503_and_the_next_try_is_all_hits(fails: str) -> None:
    caller = spilling()
    setattr(caller.answers, fails, True)
    caller.app = caller.app_with(longest_request_s=0.2)
    response = await caller.ask(TEXTS)
    error = error_of(response)
    assert (response.status_code, error["code"], response.headers["retry-after"]) == (503, "service_unavailable", "1")
    assert "not paid for twice" in error["message"]
    setattr(caller.answers, fails, False)
    again = await caller.ask(TEXTS)
    assert (again.status_code, again.headers["x-embedge-cost-usd"]) == (303, "0")
    assert again.headers["x-embedge-cache"] == "hits=20; misses=0"


async def test_where_an_answer_is_stands_in_its_header_and_nowhere_else() -> None:
    caller = spilling()
    response = await caller.ask(TEXTS)
    assert "s3cr3t" in response.headers["location"]
    assert "s3cr3t" not in response.text
    ((seen, status),) = caller.records.seen
    assert status == 303
    assert "s3cr3t" not in repr(seen)


async def test_without_a_store_what_may_not_fit_is_refused_before_money_is_spent() -> None:
    caller = Caller()
    object.__setattr__(caller.serving.services, "largest_answer_bytes", 1000)
    response = await caller.ask(TEXTS)
    assert (response.status_code, error_of(response)["code"]) == (413, "request_too_large")
    assert caller.world.server.asked == []


def widest(count: int, most_bytes: int, encoding: Encoding) -> bytes:
    """Return the body of so many vectors that is the largest that fits."""
    number = -0.0000104522605  # in text as long as float32 gets
    for dimensions in range(most_bytes // (5 if encoding == "base64" else 17) // count + 2, 0, -1):
        vector = encode(bytes(32), np.full(dimensions, number, np.float32), 1, estimated=False)
        body = b"".join(
            answer_body.parts(Embedded("m" * 200, encoding, dimensions, (vector,) * count, 9, 0, 0, (), 0, ()))
        )
        if len(body) <= most_bytes:
            return body
    raise AssertionError("nothing fits")


def through_mangum(app: Any) -> dict[str, Any]:
    """Return what the function hands to Lambda's runtime."""
    context: Any = None
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return Mangum(app, lifespan="off")(rest_event("POST", "/v1/embeddings", {}, "{}"), context)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("count", [99, 297, 762, MAX_INPUTS])
def test_lambda_carries_whatever_is_not_kept_with_its_quotes_escaped_and_its_headers(
    count: int, encoding: Encoding
) -> None:
    largest_bytes = Settings(Tables("c", "l", "v")).largest_answer_bytes
    body = widest(count, largest_bytes, encoding)
    assert len(body) > largest_bytes - 40_000
    rates = tuple(RateState(kind, 10**15, 10**15, 10**15) for kind in ("requests", "tokens"))
    embedded = Embedded("m", encoding, 1, (), 0, 2048, 2048, tuple(f"{n}" * 200 for n in range(8)), 10**18, rates)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(body, headers=answer_body.headers(embedded), media_type="application/json")(scope, receive, send)

    returned = through_mangum(app)
    assert returned["body"].encode() == body
    around = len(json.dumps(returned)) - len(body)
    assert largest_bytes + around + 4096 < LAMBDA_BYTES, "the API's own headers want some room"


@pytest.mark.parametrize(("memory_mb", "kept_bytes"), [("256", 32_000_000), ("1024", 128_000_000), ("10240", None)])
def test_no_more_is_kept_than_the_function_s_memory_can_hold_and_never_more_than_128_mb(
    memory_mb: str, kept_bytes: int | None
) -> None:
    tables = {f"EMBEDGE_{name}_TABLE": "t" for name in ("CONTROL", "LEDGER", "CACHE")}
    read = Settings.from_environ({**tables, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb})
    assert read.largest_kept_bytes == (kept_bytes or LARGEST_KEPT_BYTES)
