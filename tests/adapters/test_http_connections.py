"""Are connections opened in time, proved, used again while they are good, and never after anything odd?"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.http_connections import MOST_AT_ONCE, MOST_IDLE
from embedge.adapters.transport_httpx import HttpxTransport
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub
from tests.adapters.test_transport_httpx import REQUEST, _self_signed, fails, server, target, transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.adapters.test_transport_httpx import Act

both_ways = pytest.mark.usefixtures("way")
LARGE = bytes(range(256)) * 4_000


@asynccontextmanager
async def tls_server(
    act: Act, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[HttpxTransport, HttpStub, list[str | None]]]:
    """A server that the transport trusts, and the names that it was asked for."""
    certificate = _self_signed(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with http_stub(act, context) as stub, transport() as made:
        yield made, stub, names


async def right(reply: Reply, _: Heard) -> None:
    await reply.send(answer(b"right"))


# Over TLS.


@both_ways
async def test_a_server_is_asked_for_by_its_name_and_a_long_answer_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        spoken.append(reply._writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await reply.send(answer(LARGE))

    spoken: list[str | None] = []
    async with tls_server(act, tmp_path, monkeypatch) as (made, stub, names):
        for _ in range(3):
            assert (await made.send(target(stub.url, 10), REQUEST)).body == LARGE
        assert set(spoken) == {"http/1.1"}
        assert (names, stub.connections) == (["localhost"], 1)


@both_ways
async def test_a_long_answer_in_chunks_comes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(LARGE), 9_999):
            part = LARGE[start : start + 9_999]
            await reply.send(b"%x\r\n%b\r\n" % (len(part), part))
        await reply.send(b"0\r\n\r\n")

    async with tls_server(act, tmp_path, monkeypatch) as (made, stub, _):
        for _ in range(2):
            assert (await made.send(target(stub.url, 10), REQUEST)).body == LARGE
        assert stub.connections == 1


@both_ways
async def test_a_server_that_cannot_prove_its_name_is_not_sent_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(right, tmp_path, monkeypatch) as (made, stub, _):
        assert isinstance(await fails(made, target(stub.url.replace("localhost", "127.0.0.1"))), NotSent)
        assert stub.heard == []


@both_ways
async def test_a_server_whom_nobody_vouches_for_is_not_sent_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tls_server(right, tmp_path, monkeypatch) as (_, stub, _), transport() as made:
        monkeypatch.delenv("SSL_CERT_FILE")
        assert isinstance(await fails(made, target(stub.url)), NotSent)
        assert stub.heard == []


@both_ways
@pytest.mark.parametrize("promised", [len(LARGE) + 1, 0])
async def test_an_answer_that_breaks_off_under_tls_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promised: int
) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b" % (len(LARGE) + 1, LARGE)
    counted = b"Content-Length: %d\r\n\r\n%b" % (promised, LARGE)

    async def act(reply: Reply, heard: Heard) -> None:
        await reply.send(b"HTTP/1.1 200 OK\r\n" + (counted if promised else chunked))
        reply.reset() if heard.body == b"reset" else reply.close()

    async with tls_server(act, tmp_path, monkeypatch) as (made, stub, _):
        for body in (b"reset", b"close"):
            assert type(await fails(made, target(stub.url), WireRequest("", (), body))) is NoAnswer
        assert len(stub.heard) == 2


# In time.


@both_ways
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_server_that_does_not_connect_in_time_is_not_sent_to(scheme: str) -> None:
    with ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)  # it never accepts: TLS does not answer, and when its queue is full nothing does
        port = listening.getsockname()[1]
        for _ in range(4 if scheme == "http" else 0):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        async with transport() as made:
            assert isinstance(await fails(made, target(f"{scheme}://127.0.0.1:{port}", 5, 0.2)), NotSent)


@both_ways
async def test_who_gets_no_connection_in_time_has_sent_nothing_and_the_others_are_served() -> None:
    go_on, all_heard = asyncio.Event(), asyncio.Event()

    async def act(reply: Reply, _: Heard) -> None:
        if len(stub.heard) == MOST_AT_ONCE:
            all_heard.set()
        await go_on.wait()
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        where = target(stub.url, 20, 20)
        calls = [asyncio.create_task(made.send(where, REQUEST)) for _ in range(MOST_AT_ONCE)]
        await all_heard.wait()
        assert isinstance(await fails(made, replace(where, connect_timeout_s=0.1)), NotSent)
        calls.append(asyncio.create_task(made.send(where, REQUEST)))
        await asyncio.sleep(0.01)
        go_on.set()
        assert {response.body for response in await asyncio.gather(*calls)} == {b"right"}


async def test_of_many_connections_only_so_many_are_kept() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await asyncio.sleep(0.05)
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        for _ in range(2):
            await asyncio.gather(*(made.send(target(stub.url, 20, 20), REQUEST) for _ in range(MOST_IDLE + 3)))
        assert stub.connections == MOST_IDLE + 6


# Used again, or not.


@both_ways
async def test_who_is_cut_off_in_the_middle_hangs_up_and_the_next_is_served() -> None:
    halves, hung_up = asyncio.Event(), asyncio.Semaphore(0)

    async def act(reply: Reply, heard: Heard) -> None:
        if heard.body == b"first":
            await reply.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            halves.set()
            await reply.hung_up()
            hung_up.release()
        else:
            await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        cut_off = asyncio.create_task(made.send(target(stub.url, 5), WireRequest("", (), b"first")))
        await halves.wait()
        cut_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut_off
        assert isinstance(await fails(made, target(stub.url, 0.1), WireRequest("", (), b"first")), TimedOut)
        assert (await made.send(target(stub.url), REQUEST)).body == b"right"
        assert stub.connections == 3
        async with asyncio.timeout(5):
            await hung_up.acquire()
            await hung_up.acquire()


@both_ways
@pytest.mark.parametrize(
    ("head", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 2),
        (b"HTTP/1.1 200 OK\r\n\r\n", 2),
    ],
)
async def test_a_connection_is_used_again_where_the_server_keeps_it(head: bytes, connections: int) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(head + b"right")
        if connections > 1:
            reply.close()

    async with server(act) as (made, stub):
        for _ in range(2):
            assert (await made.send(target(stub.url), REQUEST)).body == b"right"
        assert stub.connections == connections


@both_ways
@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_ends_with_its_head(status: int) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)

    async with server(act) as (made, stub):
        for _ in range(2):
            response = await made.send(target(stub.url), REQUEST)
            assert (response.status, response.body) == (status, b"")
        assert stub.connections == 1


@both_ways
def test_a_connection_that_was_closed_while_the_process_was_frozen_is_replaced() -> None:
    """Frozen: the loop does not run, so nobody in the process has heard of it."""
    close, closed = threading.Event(), threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            with listening.accept()[0] as connection:
                while REQUEST.body not in connection.recv(65_536):
                    pass
                connection.sendall(answer(b"right"))
                close.wait(5)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listening, asyncio.Runner() as runner:
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        made, where = HttpxTransport(), target(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert runner.run(made.send(where, REQUEST)).body == b"right"
        close.set()
        closed.wait(5)
        assert runner.run(made.send(where, REQUEST)).body == b"right"
        runner.run(made.close())
        thread.join()


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", b"x"])
@pytest.mark.parametrize("pause_s", [0, 0.02])
async def test_what_nobody_asked_for_is_nobodys_answer(more: bytes, pause_s: float) -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        await reply.send(answer(heard.body) + (b"" if pause_s else more))
        if pause_s:
            await reply.send(more, pause_s=pause_s)

    async with server(act) as (made, stub):
        for number in range(4):
            body = b"%d" % number
            assert (await made.send(target(stub.url), WireRequest("", (), body))).body == body
            await asyncio.sleep(2 * pause_s)
        assert stub.connections == 4
