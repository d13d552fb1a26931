"""Does a request travel once, and is a reply whole and its own, whatever the other side and TLS do on the way?"""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import threading
import time
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from embedge.adapters.aws_connection import Connection
from embedge.adapters.aws_connections import Connections
from embedge.adapters.aws_opening import open_socket
from embedge.adapters.aws_reply import Broken, NotConnected, NotConnectedInTime, RawReply, Silent, Unreadable
from tests.adapters.other_side import LONGEST_S, Act, Ending, Other, Served, other_side

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

ENDINGS: Sequence[Ending] = ("with close_notify", "silently", "by a reset")
LARGE = bytes(range(256)) * 4_000


@pytest.fixture(params=["http", "https"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Once over TLS, with a folder for its keys, and once without."""
    return tmp_path if request.param == "https" else None


def request(body: bytes = b"{}") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def answer(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n" % (len(body), more) + body


async def answered(connections: Connections, body: bytes) -> bytes:
    return bytes((await connections.exchange(request(body))).body)


def echo(other: Other) -> None:
    """Answer each request with its own body, until the connection ends."""
    while body := other.request():
        other.send(answer(body))


@asynccontextmanager
async def served(*acts: Act, keys: Path | None) -> AsyncGenerator[tuple[Connections, Served]]:
    with other_side(acts, keys) as there:
        connections = Connections(there.url, there.trusted)
        try:
            async with asyncio.timeout(LONGEST_S):
                yield connections, there
        finally:
            connections.close()


async def over(there: Served, number: int) -> None:
    assert await asyncio.to_thread(there.done[number].wait, LONGEST_S)


# Whole.


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 70_000, len(LARGE)])
@pytest.mark.parametrize("record", [1_000, 16_384, 50_000])
async def test_a_reply_is_whole_however_it_lies_in_records(keys: Path | None, size: int, record: int) -> None:
    def act(other: Other) -> None:
        sent = answer(LARGE[:size])
        while other.request():
            other.send(*(sent[start : start + record] for start in range(0, len(sent), record)))

    async with served(act, keys=keys) as (connections, there):
        for _ in range(3):
            assert await connections.exchange(request()) == RawReply(200, {"content-length": str(size)}, LARGE[:size])
        assert there.connections == 1


async def test_a_reply_that_somebody_still_looks_at_is_not_overwritten_by_the_next(keys: Path | None) -> None:
    bodies = [bytes([number]) * 70_000 for number in range(4)]
    async with served(echo, keys=keys) as (connections, there):
        replies = [await connections.exchange(request(body)) for body in bodies]
        parts = [reply.body[60_000:] for reply in replies]
        del replies
        assert (await connections.exchange(request(LARGE))).body == LARGE
        assert parts == [body[60_000:] for body in bodies]
        assert there.connections == 1


async def test_a_head_and_a_body_may_come_byte_by_byte_and_with_pauses(keys: Path | None) -> None:
    sent = answer(b"0123456789", b"a: b \r\n")

    def act(other: Other) -> None:
        while other.request():
            for start in range(len(sent)):
                other.send(sent[start : start + 1])
                time.sleep(0.002 if start % 7 else 0)

    async with served(act, keys=keys) as (connections, there):
        for _ in range(2):
            reply = await connections.exchange(request())
            assert reply == RawReply(200, {"content-length": "10", "a": "b"}, b"0123456789")
        assert there.connections == 1


async def test_a_request_that_the_socket_does_not_take_at_once_arrives_whole_and_once(keys: Path | None) -> None:
    def act(other: Other) -> None:
        for _ in range(3):
            time.sleep(0.1)  # meanwhile all that lies between is full
            other.send(answer(other.request()))

    async with served(act, keys=keys) as (connections, there):
        for size in (20, 8, 0):
            body = LARGE * size + b"end"
            assert (await connections.exchange(request(body))).body == body
        assert there.connections == 1


async def test_many_at_once_each_get_their_own_reply(keys: Path | None) -> None:
    async with served(*[echo] * 20, keys=keys) as (connections, there):
        for _ in range(3):
            bodies = [b"%d" % number * 20_000 for number in range(20)]
            replies = await asyncio.gather(*(connections.exchange(request(body)) for body in bodies))
            assert [reply.body for reply in replies] == bodies
        assert there.connections <= 20


async def test_of_all_who_ask_at_once_fifty_are_connected_and_the_others_wait_for_those() -> None:
    go_on, busy = threading.Event(), threading.Semaphore(0)

    def act(other: Other) -> None:
        while body := other.request():
            busy.release()
            go_on.wait(LONGEST_S)
            other.send(answer(body))

    async with served(*[act] * 51, keys=None) as (connections, there):
        asked = [asyncio.create_task(connections.exchange(request(b"%d" % number))) for number in range(70)]
        for _ in range(50):
            assert await asyncio.to_thread(busy.acquire, timeout=LONGEST_S)
        await asyncio.sleep(0.05)
        go_on.set()
        assert [reply.body for reply in await asyncio.gather(*asked)] == [b"%d" % number for number in range(70)]
        assert there.connections == 50


@pytest.mark.parametrize("rest", [1, 1_000, 16_384, 40_000, 70_000, 98_304, 98_305, 130_000, 500_000])
async def test_a_long_reply_that_pauses_anywhere_is_waited_for_no_longer_than_it_takes(
    keys: Path | None, rest: int
) -> None:
    sent = answer(LARGE)

    def act(other: Other) -> None:
        while other.request():
            other.send(sent[:-rest])
            time.sleep(0.05)
            other.send(sent[-rest:])
            other.send(answer(other.request()))

    async with served(act, keys=keys) as (connections, there):
        for _ in range(3):
            began_s = time.monotonic()
            assert (await connections.exchange(request())).body == LARGE
            assert (await connections.exchange(request(b"short"))).body == b"short"
            assert time.monotonic() - began_s < 2  # in 3 s it would look by itself
        assert there.connections == 1


async def test_a_long_reply_that_pauses_within_a_record_is_waited_for_no_longer_than_it_takes(tmp_path: Path) -> None:
    sent, rests = answer(LARGE), cycle(range(40_000, 110_000, 2_500))

    def act(other: Other) -> None:
        while other.request():
            other.send(sent)

    def relay(other: Other) -> None:
        left = 0
        with socket.create_connection(("127.0.0.1", there.port)) as server:
            while select.select([server, other.socket], [], [])[0]:
                if _lies_there(other.socket, 0):
                    left = len(sent) - next(rests)
                    if not (asked := other.socket.recv(65_536)):
                        return
                    server.sendall(asked)
                else:
                    piece = server.recv(left if 0 < left < 65_536 else 65_536)
                    other.socket.sendall(piece)
                    left -= len(piece)
                    time.sleep(0 if left else 0.05)

    with other_side([act], tmp_path) as there, other_side([relay], None) as between:
        connections = Connections(between.url.replace("http:", "https:"), there.trusted)
        for _ in range(24):
            began_s = time.monotonic()
            assert (await connections.exchange(request())).body == LARGE
            assert time.monotonic() - began_s < 2  # in 3 s it would look by itself
        connections.close()


async def test_of_a_long_reply_not_every_piece_wakes_anybody_and_of_the_next_short_one_the_first_does(
    keys: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, woken = answer(LARGE), list[float]()

    def act(other: Other) -> None:
        other.request()
        for start in range(0, len(sent), 4_000):
            other.send(sent[start : start + 4_000])
            time.sleep(0.0005)
        other.send(answer(other.request()))
        other.request()

    loop = asyncio.get_running_loop()
    add_reader = loop.add_reader

    def counted(number: int, heard: Callable[[], None]) -> None:
        def hear() -> None:
            woken.append(time.monotonic())
            heard()

        add_reader(number, hear)

    async with served(act, keys=keys) as (connections, _):
        monkeypatch.setattr(loop, "add_reader", counted)
        assert (await connections.exchange(request())).body == LARGE
        assert len(woken) < len(LARGE) / 4_000 / 3
        began_s = time.monotonic()
        assert (await connections.exchange(request(b"short"))).body == b"short"
        assert time.monotonic() - began_s < 2  # in 3 s it would look by itself


# Ended.


@pytest.mark.parametrize("how", ENDINGS)
def test_a_connection_that_was_closed_while_the_process_was_frozen_is_replaced(keys: Path | None, how: Ending) -> None:
    """Frozen: the loop does not run, so nobody in the process has heard of it, and is not given a turn to hear."""
    freeze = threading.Event()

    def closing(other: Other) -> None:
        other.send(answer(other.request()))
        freeze.wait(LONGEST_S)
        other.end(how)

    with other_side([closing, echo], keys) as there, asyncio.Runner() as runner:
        connections = Connections(there.url, there.trusted)

        assert runner.run(answered(connections, b"first")) == b"first"
        freeze.set()
        assert there.done[0].wait(LONGEST_S)
        assert runner.run(answered(connections, b"second")) == b"second"
        assert there.connections == 2
        runner.run(_closed(connections))


async def _closed(connections: Connections) -> None:
    connections.close()


@pytest.mark.parametrize("how", ENDINGS)
async def test_a_connection_that_is_closed_while_nobody_asks_is_let_go_at_once(keys: Path | None, how: Ending) -> None:
    def closing(other: Other) -> None:
        other.send(answer(other.request()))
        other.end(how)

    with other_side([closing], keys) as there:
        connection = Connection(await open_socket("127.0.0.1", there.port, there.trusted))
        await connection.exchange(request())
        await over(there, 0)
        await asyncio.sleep(0.05)
        assert not connection.is_open()


async def test_what_nobody_has_used_for_long_is_closed_also_where_another_is_used_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, passed_s = asyncio.get_running_loop(), 0
    now_s = loop.time
    monkeypatch.setattr(loop, "time", lambda: now_s() + passed_s)
    both_asked, ended = threading.Barrier(2), threading.Semaphore(0)

    def act(other: Other) -> None:
        other.request()
        both_asked.wait(LONGEST_S)
        other.send(answer(LARGE))
        echo(other)
        ended.release()

    with other_side([act] * 2, None) as there:
        connections = Connections(there.url, None)
        await asyncio.gather(*(connections.exchange(request()) for _ in range(2)))
        for _ in range(2):
            assert not ended.acquire(blocking=False)
            passed_s += 7
            assert (await connections.exchange(request(b"next"))).body == b"next"
        assert await asyncio.to_thread(ended.acquire, timeout=1)
        assert (await connections.exchange(request(b"last"))).body == b"last"
        assert there.connections == 2
        connections.close()


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize(
    "sent", [b"", b"HTT", answer(b"")[:-2], answer(b"0123456789")[:-1], answer(LARGE)[:-1], answer(LARGE)[:300_000]]
)
async def test_a_reply_that_breaks_off_is_none_and_the_next_request_is_answered(
    keys: Path | None, sent: bytes, how: Ending
) -> None:
    def breaking_off(other: Other) -> None:
        other.request()
        other.send(sent)
        other.end(how)

    async with served(breaking_off, echo, keys=keys) as (connections, there):
        with pytest.raises(Broken) as broken:
            await connections.exchange(request())
        assert type(broken.value) is Broken
        assert (await connections.exchange(request(b"next"))).body == b"next"
        assert there.connections == 2


@pytest.mark.parametrize("how", ENDINGS)
async def test_a_request_that_cannot_be_sent_to_its_end_is_of_unknown_outcome(keys: Path | None, how: Ending) -> None:
    def closing(other: Other) -> None:
        other.socket.recv(100)
        other.end(how)

    async with served(closing, echo, keys=keys) as (connections, there):
        with pytest.raises(Broken):
            await connections.exchange(request(LARGE * 20))
        assert (await connections.exchange(request(b"next"))).body == b"next"
        assert there.connections == 2


@pytest.mark.parametrize("how", ENDINGS)
async def test_the_last_reply_on_a_connection_is_taken(keys: Path | None, how: Ending) -> None:
    def closing(other: Other) -> None:
        body = other.request()
        other.send(answer(body, b"connection: close\r\n"))
        if how != "by a reset":  # which would take what was sent with it
            other.end(how)

    async with served(closing, echo, keys=keys) as (connections, there):
        assert (await connections.exchange(request(LARGE))).body == LARGE
        assert (await connections.exchange(request(b"next"))).body == b"next"
        assert there.connections == 2


async def test_who_is_answered_before_all_is_sent_has_the_reply_and_the_connection_is_not_used_again(
    keys: Path | None,
) -> None:
    gone = threading.Event()

    def early(other: Other) -> None:
        other.socket.recv(100)
        other.send(answer(b"no"))
        gone.wait(LONGEST_S)

    async with served(early, echo, keys=keys) as (connections, there):
        assert (await connections.exchange(request(LARGE * 20))).body == b"no"
        assert (await connections.exchange(request(b"next"))).body == b"next"
        gone.set()
        assert there.connections == 2


# Cut off.


@pytest.mark.parametrize("reply_begun", [b"", b"HTTP/1.1 200 OK\r\n", answer(LARGE)[:-1]])
async def test_who_is_cut_off_hangs_up_and_the_late_reply_is_nobodys(keys: Path | None, reply_begun: bytes) -> None:
    begun, heard = threading.Event(), list[bytes]()

    def slow(other: Other) -> None:
        other.request()
        other.send(reply_begun)
        begun.set()
        heard.append(other.request())

    async with served(slow, echo, keys=keys) as (connections, there):
        asked = asyncio.create_task(connections.exchange(request()))
        await asyncio.to_thread(begun.wait, LONGEST_S)
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await over(there, 0)
        assert heard == [b""]
        assert (await connections.exchange(request(b"next"))).body == b"next"
        assert there.connections == 2


async def test_who_is_cut_off_while_sending_hangs_up(keys: Path | None) -> None:
    go_on, heard = threading.Event(), list[bytes]()

    def deaf(other: Other) -> None:
        go_on.wait(LONGEST_S)
        heard.append(other.request())

    async with served(deaf, echo, keys=keys) as (connections, there):
        asked = asyncio.create_task(connections.exchange(request(LARGE * 20)))
        await asyncio.sleep(0.2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go_on.set()
        await over(there, 0)
        assert heard == [b""]
        assert (await connections.exchange(request(b"next"))).body == b"next"


async def test_who_hears_nothing_for_too_long_gives_up_and_who_hears_a_little_does_not(keys: Path | None) -> None:
    def silent(other: Other) -> None:
        other.request()
        time.sleep(0.5)
        other.send(answer(b"slowly")[:-3])
        other.request()

    def slow(other: Other) -> None:
        for piece in (answer(other.request()), b"sl", b"ow", b"ly"):
            other.send(piece[:-6] if len(piece) > 6 else piece)
            time.sleep(1.3)

    def slow_and_long(other: Other) -> None:
        body = other.request()
        sent = answer(body)
        other.send(sent[:-170_000])
        for start in range(len(sent) - 170_000, len(sent) - 150_000, 10_000):
            time.sleep(1.7)
            other.send(sent[start : start + 10_000])
        other.send(sent[-150_000:])

    async def ask(connections: Connections) -> float:
        began_s = time.monotonic()
        with pytest.raises(Silent):
            await connections.exchange(request())
        return time.monotonic() - began_s

    async with served(silent, slow, slow_and_long, keys=keys) as (connections, _):
        first = asyncio.create_task(ask(connections))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(connections.exchange(request(b"slowly")))
        await asyncio.sleep(0.1)
        assert (await connections.exchange(request(LARGE))).body == LARGE
        assert (await second).body == b"slowly"
        assert 3.4 < await first < 6


# Nobody's.


@pytest.mark.parametrize("more", [answer(b"wrong"), b"x", LARGE])
@pytest.mark.parametrize("pause_s", [0, 0.02])
async def test_what_nobody_asked_for_is_nobodys_reply(keys: Path | None, more: bytes, pause_s: float) -> None:
    def act(other: Other) -> None:
        whole = answer(other.request())
        if pause_s:
            other.send(whole)
            time.sleep(pause_s)
        with suppress(OSError):  # it may have hung up by now
            other.send(more if pause_s else whole + more)
        assert other.request() == b""

    async with served(*[act] * 4, keys=keys) as (connections, there):
        for number in range(4):
            body = b"%d" % number
            if pause_s:
                assert (await connections.exchange(request(body))).body == body
                await asyncio.sleep(2 * pause_s)
            else:
                with pytest.raises(Unreadable):
                    await connections.exchange(request(body))
        assert there.connections == 4


@pytest.mark.parametrize("size", [2**power for power in range(6, 14)])
async def test_what_lies_in_one_record_with_a_reply_spoils_it(tmp_path: Path, size: int) -> None:
    """Wherever it begins: no selector sees what OpenSSL keeps of a record."""
    whole = answer(b"right", b"a:%b\r\n" % (b" " * (size - len(answer(b"right", b"a:\r\n")))))
    assert len(whole) == size

    def act(other: Other) -> None:
        other.request()
        other.send(whole + b"x")
        assert other.request() == b""

    async with served(act, keys=tmp_path) as (connections, _):
        with pytest.raises(Unreadable):
            await connections.exchange(request())


def test_what_came_while_the_process_was_frozen_is_nobodys_reply(keys: Path | None) -> None:
    freeze, sent = threading.Event(), threading.Event()

    def act(other: Other) -> None:
        other.send(answer(other.request()))
        freeze.wait(LONGEST_S)
        other.send(answer(b"wrong"))
        sent.set()
        assert other.request() == b""

    with other_side([act, echo], keys) as there, asyncio.Runner() as runner:
        connections = Connections(there.url, there.trusted)

        assert runner.run(answered(connections, b"first")) == b"first"
        freeze.set()
        assert sent.wait(LONGEST_S)
        assert runner.run(answered(connections, b"second")) == b"second"
        runner.run(_closed(connections))
        assert there.connections == 2


@pytest.mark.parametrize("frozen", [True, False])
async def test_tickets_that_tls_sends_while_nobody_asks_leave_the_connection_as_it_is(
    tmp_path: Path, *, frozen: bool
) -> None:
    with other_side([echo], tmp_path) as there:
        opened = await open_socket("127.0.0.1", there.port, there.trusted)
        session: Any = opened
        assert session.version() == "TLSv1.3"  # whose tickets follow the handshake
        connection = Connection(opened)
        assert _lies_there(opened)
        if not frozen:
            await asyncio.sleep(0.05)
            assert not _lies_there(opened, 0)
        assert connection.is_silent()
        assert not _lies_there(opened, 0)
        assert (await connection.exchange(request(b"right"))).body == b"right"
        assert connection.is_silent()
        connection.close()


def _lies_there(opened: socket.socket, limit_s: float = LONGEST_S) -> bool:
    return bool(select.select([opened], [], [], limit_s)[0])


# Connected.


async def test_where_nobody_listens_nothing_is_sent(keys: Path | None) -> None:
    async with served(echo, keys=keys) as (_, there):
        pass
    with pytest.raises(NotConnected):
        await Connections(there.url, there.trusted).exchange(request())


@pytest.mark.parametrize("how", ENDINGS)
async def test_where_the_handshake_breaks_off_nothing_is_sent(tmp_path: Path, how: Ending) -> None:
    with other_side([], tmp_path) as proved, other_side([lambda other: other.end(how)], None) as there:
        connections = Connections(there.url.replace("http:", "https:"), proved.trusted)
        with pytest.raises(NotConnected):
            await connections.exchange(request())


async def test_a_connection_that_is_reset_before_its_handshake_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    with other_side([], tmp_path) as proved, other_side([lambda other: other.end("by a reset")], None) as there:

        async def connect_and_be_reset(made: socket.socket, address: Any) -> None:
            await connect(made, address)
            await over(there, 0)

        monkeypatch.setattr(loop, "sock_connect", connect_and_be_reset)
        with pytest.raises(NotConnected):
            await Connections(there.url.replace("http:", "https:"), proved.trusted).exchange(request())
    gc.collect()  # what was left open is told of now, and is a failure


async def test_a_server_that_does_not_connect_in_time_is_not_sent_to(tmp_path: Path) -> None:
    with other_side([], tmp_path) as trusted, socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"  # it never accepts, so TLS does not answer
        with pytest.raises(NotConnectedInTime):
            await Connections(url, trusted.trusted).exchange(request())


@pytest.mark.parametrize("whose", ["elsewhere's", "another's"])
async def test_a_server_that_cannot_prove_its_name_or_whom_nobody_vouches_for_is_not_sent_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    heard, asked = list[bytes](), _look_up(monkeypatch, "127.0.0.1")
    (tmp_path / "another's").mkdir()
    with other_side([], tmp_path / "another's") as another:
        pass
    with other_side([lambda other: heard.append(other.request())], tmp_path) as there:
        name = "elsewhere" if whose == "elsewhere's" else "localhost"
        trusted = another.trusted if whose == "another's" else there.trusted
        with pytest.raises(NotConnected):
            await Connections(there.url.replace("127.0.0.1", name), trusted).exchange(request())
        await over(there, 0)
    assert asked == [name]
    assert set(heard) <= {b""}


async def test_the_next_address_is_tried_where_the_first_refuses(
    keys: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _look_up(monkeypatch, "127.0.0.9", "127.0.0.1")
    with other_side([echo], keys) as there:
        connections = Connections(there.url.replace("127.0.0.1", "localhost"), there.trusted)
        assert (await connections.exchange(request(b"right"))).body == b"right"
        assert asked == ["localhost"]
        connections.close()


@pytest.mark.parametrize("addresses", [(), ("127.0.0.9", "127.0.0.10")])
async def test_where_no_address_answers_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, addresses: Sequence[str]
) -> None:
    _look_up(monkeypatch, *addresses)
    with pytest.raises(NotConnected):
        await Connections("http://localhost:9", None).exchange(request())


def _look_up(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let the loop find these addresses of every name; returns the names that it was asked for."""
    asked: list[str] = []

    async def look_up(host: str, port: int, **_: object) -> object:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    return asked
