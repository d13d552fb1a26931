"""Are the requests that are measured those that they are said to be, and does the router answer them in-process?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from benchmarks.in_process import router
from benchmarks.limits import Case
from benchmarks.stub_upstream import route, stub_upstream
from embedge.api.request_body import read_request
from embedge.core.request import MAX_BODY_BYTES, MAX_INPUTS, MAX_REQUEST_TOKENS, Tokens

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("shape", "inputs"), [("one input", 1), ("2048 inputs", MAX_INPUTS), ("300k tokens", 36), ("4 MB", MAX_INPUTS)]
)
def test_each_shape_is_a_request_at_its_limit_of_inputs_that_all_differ(shape: str, inputs: int) -> None:
    body = Case(shape, 1536, "float").body()
    request = read_request(body)
    assert len(set(request.inputs)) == len(request.inputs) == inputs
    assert (len(body) == MAX_BODY_BYTES) == (shape == "4 MB")
    tokens = sum(len(one.ids) for one in request.inputs if isinstance(one, Tokens))
    assert (0.98 * MAX_REQUEST_TOKENS < tokens <= MAX_REQUEST_TOKENS) == (shape == "300k tokens")


async def test_the_router_in_process_asks_the_stub_once_and_then_knows(tmp_path: Path) -> None:
    with stub_upstream() as port:
        async with router(tmp_path, route(port, 16)) as asked:
            body = b'{"model": "bench", "input": ["a", "b", [1]], "encoding_format": "base64"}'
            assert (await asked.ask(body)).status == 400
            body = body.replace(b"[1]", b'"c"')
            seen = [await asked.ask(body) for _ in range(2)]
    assert [answer.headers["x-embedge-cache"] for answer in seen] == ["hits=0; misses=3", "hits=3; misses=0"]
    assert seen[0].body_bytes == seen[1].body_bytes > 3 * 16 * 4


async def test_as_many_as_one_likes_may_ask_the_router_in_process_at_once(tmp_path: Path) -> None:
    with stub_upstream() as port:
        async with router(tmp_path, route(port, 16)) as asked:
            answers = await asyncio.gather(*(asked.ask(b'{"model": "bench", "input": "one text"}') for _ in range(250)))
    assert {answer.status for answer in answers} == {200}
