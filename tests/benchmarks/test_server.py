"""Does the load on the local server count what came back, and stop when it has had enough?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, cast

import pytest
from typing_extensions import override

from benchmarks.server.goals import Row
from benchmarks.server.load import Load, Seen, checked, run

if TYPE_CHECKING:
    from collections.abc import Sequence

_GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_BAD = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


class Server(asyncio.Protocol):
    """Answers each request with the next of its answers, in pieces; none is left: it hangs up."""

    def __init__(self, answers: list[bytes], asked: list[bytes]) -> None:
        self.answers = answers
        self.asked = asked
        self.transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.asked.append(data)
        if not self.answers:
            self.transport.close()
            return
        answer = self.answers.pop(0)
        self.transport.write(answer[:20])
        asyncio.get_running_loop().call_later(0.01, self.transport.write, answer[20:])


async def loaded(answers: Sequence[bytes], requests: int, concurrency: int = 1) -> tuple[Seen, list[bytes]]:
    left, asked = list(answers), list[bytes]()
    server = await asyncio.get_running_loop().create_server(lambda: Server(left, asked), "127.0.0.1", 0)
    async with server:
        load = Load(server.sockets[0].getsockname()[1], "a-token", lambda number: f"text {number}")
        return await run(load, concurrency, requests, longest_s=10), asked


async def test_each_request_has_its_own_text_and_each_answer_its_time() -> None:
    seen, asked = await loaded([_GOOD] * 3, 3)
    assert [f'"text {number}"'.encode() in one for number, one in enumerate(asked)] == [True] * 3
    assert len(seen.seconds) == 3
    assert all(0.01 <= taken_s < seen.elapsed_s for taken_s in seen.seconds)
    assert seen.errors == []


async def test_what_is_no_200_is_an_error_and_no_answer() -> None:
    seen, _ = await loaded([_GOOD, _BAD, _GOOD], 3)
    assert len(seen.seconds) == 2
    assert seen.errors == [_BAD]


async def test_nothing_is_measured_of_what_failed() -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Server([_BAD], []), "127.0.0.1", 0)
    async with server:
        load = Load(server.sockets[0].getsockname()[1], "a-token", lambda _: "text")
        with pytest.raises(SystemExit, match="429"):
            await checked(load, 1, 1, longest_s=10)


@pytest.mark.parametrize(("bound", "reached"), [("≤", [True, True, False]), ("≥", [False, True, True])])
def test_a_goal_is_reached_at_its_bound_and_on_one_side_of_it(bound: Literal["≤", "≥"], reached: list[bool]) -> None:
    assert [Row("what", measured, bound, 2.0).reached() for measured in (1.9, 2.0, 2.1)] == reached


async def test_several_connections_share_the_requests() -> None:
    seen, asked = await loaded([_GOOD] * 8, 8, concurrency=4)
    assert len(asked) == len(seen.seconds) == 8


async def test_a_connection_that_is_closed_in_use_is_no_measurement() -> None:
    with pytest.raises(ConnectionError):
        await loaded([_GOOD], 2)
