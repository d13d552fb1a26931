"""What is taken in, and what is it inflated to? At most the limit, from either server, and never for a stranger."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tracemalloc
import zlib
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mangum import Mangum

from embedge.api.received_body import inflate
from embedge.core.request import MAX_BODY_BYTES
from embedge.errors import InvalidJson, RequestTooLarge
from tests.api.client import Caller, error_of
from tests.embed.world import MODEL
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

BODY = json.dumps({"model": MODEL, "input": ["as it is", "naïve"]}).encode()
BOMB = gzip.compress(b" " * (64 * 1024 * 1024))


def body_of(size: int) -> bytes:
    """Return a body of exactly so many bytes that the API takes."""
    return BODY + b" " * (size - len(BODY))


async def post(caller: Caller, content: bytes, **headers: str) -> httpx.Response:
    usual = {"authorization": f"Bearer {caller.token()}", "content-type": "application/json"}
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller.send("POST", "/v1/embeddings", content=content, headers=usual | given_headers)


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZip", " gzip "])
@pytest.mark.parametrize("members", [1, 2, 7])
async def test_gzip_is_taken_in_any_case_and_in_any_number_of_members(name: str, members: int) -> None:
    cuts = [len(BODY) * number // members for number in range(members + 1)]
    content = b"".join(gzip.compress(BODY[start:end]) for start, end in pairwise(cuts))
    answer = await post(Caller(), content, content_encoding=name)
    assert answer.json() == (await post(Caller(), BODY)).json()
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["identity", "Identity", ""])
async def test_a_body_that_is_sent_as_it_is_may_say_so(name: str) -> None:
    assert (await post(Caller(), BODY, content_encoding=name)).status_code == 200


@pytest.mark.parametrize("name", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "identity, gzip", "gzipped", ","])
async def test_any_other_encoding_is_415_and_the_message_says_what_to_send(name: str) -> None:
    answer = await post(Caller(), gzip.compress(BODY), content_encoding=name)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (415, "unsupported_media_type")
    assert "Content-Encoding: gzip" in error["message"]


GOOD = gzip.compress(BODY)
BROKEN = {
    "empty": b"",
    "plain": BODY,
    "cut in the header": GOOD[:5],
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "cut in the checksum": GOOD[:-1],
    "a wrong checksum": GOOD[:-5] + bytes([GOOD[-5] ^ 1]) + GOOD[-4:],
    "rubbish behind": GOOD + b"rubbish",
    "zeros behind": GOOD + b"\0" * 8,
    "half a member behind": GOOD + GOOD[:12],
    "zlib": zlib.compress(BODY),
    "as text, through something that mends UTF-8": GOOD.decode(errors="replace").encode(),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
async def test_gzip_that_is_broken_is_400_and_the_message_says_that_it_is_the_gzip(content: bytes) -> None:
    answer = await post(Caller(), content, content_encoding="gzip")
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_json", None)
    assert "gzip is broken" in error["message"]


@pytest.mark.parametrize(("over", "status"), [(-1, 200), (0, 200), (1, 413)])
@pytest.mark.parametrize("compressed", [False, True])
async def test_the_limit_is_on_what_is_inflated_to_the_byte(over: int, status: int, *, compressed: bool) -> None:
    body = body_of(MAX_BODY_BYTES + over)
    if compressed:
        answer = await post(Caller(), gzip.compress(body, 1), content_encoding="gzip")
    else:
        answer = await post(Caller(), body)
    assert answer.status_code == status
    assert status == 200 or error_of(answer)["code"] == "request_too_large"


def test_of_a_bomb_no_more_is_inflated_than_the_limit_and_one_byte() -> None:
    full_to_the_limit = gzip.compress(b" " * (MAX_BODY_BYTES // 8)) * 8
    assert len(inflate(full_to_the_limit)) == MAX_BODY_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLarge):
            inflate(full_to_the_limit + BOMB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MAX_BODY_BYTES


def calls_of(act: Callable[[], object], name: str) -> int:
    """Return how often a built-in function of this name is called."""
    called = 0

    def watch(_frame: object, event: str, function: Any) -> None:
        nonlocal called
        called += event == "c_call" and function.__name__ == name

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(before)
    return called


@pytest.mark.parametrize("member", [gzip.compress(text, mtime=0) for text in (b"", b"x", b"x" * 1000)])
def test_twice_the_members_are_twice_the_work(member: bytes) -> None:
    once, twice = (calls_of(lambda count=count: inflate(member * count), "decompress") for count in (1000, 2000))
    # One call for each member, and one more for each of those that a piece's end cuts in two.
    assert 1000 <= once <= 1.3 * 1000
    assert twice <= 2.01 * once


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 255))
def test_whatever_is_done_to_gzip_it_is_inflated_rightly_or_refused(text: bytes, place: int, value: int) -> None:
    content = bytearray(gzip.compress(text, mtime=0))
    content[place % len(content)] = value
    try:
        inflated = inflate(bytes(content))
    except InvalidJson:
        return
    assert inflated == text


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=20))
def test_members_are_inflated_in_their_order(texts: list[bytes]) -> None:
    assert inflate(b"".join(map(gzip.compress, texts))) == b"".join(texts)


async def test_nothing_is_inflated_for_a_stranger() -> None:
    def bombed() -> object:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        sending = Caller().send("POST", "/v1/embeddings", content=BOMB, headers=headers)
        return asyncio.run(sending)

    answers: list[Any] = []
    called = await asyncio.to_thread(calls_of, lambda: answers.append(bombed()), "decompress")
    assert (called, answers[0].status_code) == (0, 401)


async def receive_from(caller: Caller, sizes: list[int], **headers: str) -> tuple[int, int]:
    """Return how many pieces were taken, and the status of the answer."""
    heard = 0
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        nonlocal heard
        heard += 1
        return {"type": "http.request", "body": b" " * sizes[heard - 1], "more_body": heard < len(sizes)}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    all_headers = {"authorization": f"Bearer {caller.token()}", "content-type": "application/json"} | headers
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/embeddings",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in all_headers.items()],
    }
    await caller.app(scope, receive, send)
    return heard, statuses[0]


async def test_a_body_over_the_limit_is_read_so_far_that_its_sender_sees_the_answer_and_no_further() -> None:
    mebibyte = 1024 * 1024
    assert await receive_from(Caller(), [mebibyte] * 20) == (20, 413)
    assert await receive_from(Caller(), [mebibyte] * 1000) == (33, 413)
    assert await receive_from(Caller(), [mebibyte] * 20, content_length=str(20 * mebibyte)) == (20, 413)


async def test_what_says_that_it_is_far_too_large_is_not_read_at_all() -> None:
    assert await receive_from(Caller(), [1], content_length=str(10**9)) == (0, 413)
    assert await receive_from(Caller(), [1], content_length=str(10**9), authorization="") == (0, 401)


async def test_who_waits_to_be_told_to_send_is_not_told_to_send_too_much() -> None:
    over = {"content_length": str(MAX_BODY_BYTES + 1), "expect": "100-Continue"}
    assert await receive_from(Caller(), [MAX_BODY_BYTES + 1], **over) == (0, 413)
    within = {"content_length": str(MAX_BODY_BYTES), "expect": "100-continue"}
    assert await receive_from(Caller(), [MAX_BODY_BYTES], **within) == (1, 400)


@pytest.mark.parametrize("declared", ["", "x", "-1", "9" * 19, "9" * 5000, "\u0663"])
async def test_a_length_that_no_server_lets_through_harms_nothing(declared: str) -> None:
    heard, status = await receive_from(Caller(), [3], content_length=declared)
    assert (heard, status) in {(1, 400), (0, 413)}


CONTENT_TYPES = {
    "application/json": 200,
    "application/JSON": 200,
    " application/json ; charset=UTF-8": 200,
    'application/json;charset="utf-8"': 200,
    "application/json; charset=utf8; x=y": 200,
    "application/json; charset=utf-16": 415,
    "application/json; charset=iso-8859-1": 415,
    "application/json; charset=utf-8; charset=latin1": 415,
    "application/json, application/json": 415,
    "application/vnd.api+json": 415,
    "multipart/form-data; boundary=x": 415,
    "application/x-www-form-urlencoded": 415,
    "text/plain": 415,
    "json": 415,
    ";": 415,
    "": 415,
}


@pytest.mark.parametrize(("content_type", "status"), CONTENT_TYPES.items())
async def test_json_in_utf8_is_taken_and_every_other_type_is_415(content_type: str, status: int) -> None:
    answer = await post(Caller(), BODY, content_type=content_type)
    assert answer.status_code == status
    assert status == 200 or "Content-Type: application/json" in error_of(answer)["message"]


async def test_a_body_without_a_content_type_is_415() -> None:
    caller = Caller()
    headers = {"authorization": f"Bearer {caller.token()}"}
    assert (await caller.send("POST", "/v1/embeddings", content=BODY, headers=headers)).status_code == 415


def through_api_gateway(content: str | bytes, encoding: str) -> tuple[int, dict[str, Any]]:
    """Return status and body as the function gives them to API Gateway."""
    caller = Caller()
    headers = {
        "Authorization": f"Bearer {caller.token()}",
        "Content-Type": "application/json",
        "Content-Encoding": encoding,
    }
    event = rest_event("POST", "/v1/embeddings", headers, content, caller.world.clock.now_s())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        answer = Mangum(caller.app, lifespan="off")(event, SimpleNamespace())  # pyright: ignore[reportArgumentType]
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return answer["statusCode"], json.loads(answer["body"])


def test_gzip_that_travelled_through_api_gateway_as_base64_is_the_same_request() -> None:
    status, document = through_api_gateway(gzip.compress(BODY), "gzip")
    assert (status, document["usage"]["total_tokens"]) == (200, 4)
    assert through_api_gateway(BOMB, "gzip")[0] == 413
    assert "gzip is broken" in through_api_gateway(GOOD[:-1], "gzip")[1]["error"]["message"]
    assert through_api_gateway(gzip.compress(BODY), "br")[0] == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("content", [BODY, BODY.decode()])
def test_what_api_gateway_has_inflated_is_taken_as_it_is_though_the_header_is_still_there(
    content: str | bytes, encoding: str
) -> None:
    assert through_api_gateway(content, encoding)[0] == 200
