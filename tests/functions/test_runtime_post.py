"""Does an answer reach Lambda once and whole, from where its pieces lie or else by the runtime client's own way?"""

from __future__ import annotations

import signal
import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.api import runtime_post
from embedge.api.answer import JsonPieces, Part
from embedge.api.runtime_json import speed_up_runtime_client
from embedge.api.runtime_post import RuntimeApi, post_in_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

LONGEST_S = 5.0
MODULE = "awslambdaric.lambda_runtime_client"
BODY = b'{"status":"OK"}\n'
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + BODY
CLOSED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LARGE = bytes(range(256)) * 32_000  # twice what lies between the two sides of a connection


# The other side.


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as it came."""

    head: Sequence[str]
    body: bytes

    @property
    def invoke_id(self) -> str:
        return self.head[0].split("/")[4]


class Other:
    """One connection, as the Runtime API has it."""

    def __init__(self, raw: socket.socket) -> None:
        raw.settimeout(LONGEST_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = raw
        self.requests: list[Request] = []
        self._received = bytearray()

    def request(self, before_more: Callable[[], None] = lambda: None) -> bool:
        """Read the next request, unless the connection has ended."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if not self._more():
                assert not self._received, "it ended within a head"
                return False
        head = self._received[:end].decode().split("\r\n")
        end += 4 + int(next(line[16:] for line in head if line.startswith("Content-Length: ")))
        while len(self._received) < end:
            before_more()
            assert self._more(), "it ended within a body"
        self.requests.append(Request(head, bytes(self._received[len("\r\n".join(head)) + 4 : end])))
        del self._received[:end]
        return True

    def send(self, *parts: bytes) -> None:
        """Send each, so that it comes by itself."""
        for part in parts:
            self.raw.sendall(part)
            if len(parts) > 1:
                time.sleep(0.0005)

    def reset(self) -> None:
        """End it, and have what is on the way thrown away."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def _more(self) -> bool:
        try:
            piece = self.raw.recv(1 << 18)
        except ConnectionResetError:  # not all that was sent there was read
            return False
        self._received += piece
        return bool(piece)


Act: TypeAlias = "Callable[[Other], object]"


class Served:
    """Where it listens, and what was posted there: one act is for one connection, one after the other."""

    def __init__(self, acts: Sequence[Act], host: str) -> None:
        self.done = [threading.Event() for _ in acts]  # of each, when its act is over
        self.failures: list[BaseException] = []
        self.connections: list[Other] = []
        self._acts = acts
        self._listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._listening.bind((host, 0))
        self._listening.listen()
        self.address = f"{f'[{host}]' if ':' in host else host}:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def posted(self) -> list[list[str]]:
        """Return the ids of all that was posted whole, by connection."""
        return [[request.invoke_id for request in other.requests] for other in self.connections]

    def end(self) -> None:
        """Accept no more, and wait until every act is over."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * LONGEST_S)
        self._listening.close()

    def _serve(self) -> None:
        for act, done in zip(self._acts, self.done, strict=True):
            try:
                raw, _ = self._listening.accept()
            except OSError:
                return
            if done is self.done[-1]:
                self._listening.close()  # a further connection is refused
            with raw:
                self.connections.append(Other(raw))
                try:
                    act(self.connections[-1])
                except Exception as failure:  # noqa: BLE001 (it is the test's)
                    self.failures.append(failure)
            done.set()


def replies(*all_sent: bytes | Sequence[bytes]) -> Act:
    """Return what answers so many requests, one part after the other, and then hears no more."""

    def act(other: Other) -> None:
        for sent in all_sent:
            assert other.request(), "there was no further request"
            other.send(*([sent] if isinstance(sent, bytes) else sent))
        assert not other.request(), "there was a further request"

    return act


def replies_and_ends(*all_sent: bytes) -> Act:
    """Return what answers so many requests, and ends the connection."""

    def act(other: Other) -> None:
        for sent in all_sent:
            assert other.request(), "there was no further request"
            other.send(sent)

    return act


def echoes(other: Other) -> None:
    """Accept whatever comes."""
    while other.request():
        other.send(ACCEPTED)


@contextmanager
def served(*acts: Act, host: str = "127.0.0.1") -> Generator[Served]:
    there = Served(acts, host)
    try:
        yield there
    finally:
        there.end()
    assert not there.failures, there.failures


@contextmanager
def posting(*acts: Act, host: str = "127.0.0.1") -> Generator[tuple[RuntimeApi, Served]]:
    with served(*acts, host=host) as there:
        api = RuntimeApi(there.address)
        try:
            yield api, there
        finally:
            api.close()


def over(there: Served, number: int) -> None:
    assert there.done[number].wait(LONGEST_S)


def nobody() -> str:
    """Return an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def cut(whole: bytes, count: int) -> JsonPieces:
    """Return it in so many pieces, of which every other one is a view."""
    cuts = [len(whole) * number // count for number in range(count + 1)] if count else []
    parts = (whole[start:end] for start, end in pairwise(cuts))
    return JsonPieces([memoryview(part) if number % 2 else part for number, part in enumerate(parts)])


ANSWER = JsonPieces([b'{"body":"', memoryview(b"abc"), b'"}'])


# Once, and whole.


@pytest.mark.parametrize("count", [0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2049, 3000])
@pytest.mark.parametrize("size_bytes", [0, 1_000, 100_000, len(LARGE)])
def test_an_answer_of_any_number_of_pieces_arrives_as_if_joined(count: int, size_bytes: int) -> None:
    answer = cut(LARGE[:size_bytes], count)
    with posting(echoes) as (api, there):
        assert [api.post(f"id-{number}", answer) for number in range(2)] == [True] * 2
    assert there.posted == [["id-0", "id-1"]]
    for request in there.connections[0].requests:
        assert request.body == answer.joined() == (LARGE[:size_bytes] if count else b"")
        assert request.head == [
            f"POST /2018-06-01/runtime/invocation/{request.invoke_id}/response HTTP/1.1",
            f"Host: {there.address}",
            "Content-Type: application/json",
            f"Content-Length: {len(request.body)}",
        ]


@settings(deadline=None)
@given(
    answers=st.lists(
        st.lists(st.binary(max_size=5) | st.binary(max_size=5).map(memoryview) | st.just(b"."), max_size=40),
        max_size=8,
    )
)
def test_answers_go_one_after_the_other_over_one_connection(answers: Sequence[Sequence[Part]]) -> None:
    with posting(echoes) as (api, there):
        assert all(api.post("id", JsonPieces(pieces)) for pieces in answers)
    assert [[request.body for request in other.requests] for other in there.connections] == (
        [[b"".join(pieces) for pieces in answers]] if answers else []
    )


def test_the_id_of_an_invocation_is_told_where_there_is_one() -> None:
    with posting(echoes) as (api, there):
        assert [api.post("id", ANSWER, invocation_id) for invocation_id in ("a-b", None)] == [True] * 2
    with_it, without = (request.head for request in there.connections[0].requests)
    assert [line for line in with_it if line not in without] == ["Lambda-Runtime-Invocation-Id: a-b"]
    assert len(with_it) == len(without) + 1


@pytest.mark.parametrize("count", [3, 3000])
def test_an_answer_that_signals_interrupt_arrives_once_and_whole(count: int) -> None:
    heard: list[int] = []
    sender = threading.get_ident()

    def interrupt() -> None:
        time.sleep(0.002)  # meanwhile all that lies between is full, so that the sender waits
        signal.pthread_kill(sender, signal.SIGUSR1)

    def act(other: Other) -> None:
        for _ in range(2):
            assert other.request(before_more=interrupt)
            interrupt()
            other.send(ACCEPTED)

    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        with posting(act) as (api, there):
            assert [api.post(f"id-{number}", cut(LARGE, count)) for number in range(2)] == [True] * 2
            over(there, 0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(heard) > 10
    assert there.posted == [["id-0", "id-1"]]
    assert all(request.body == LARGE for request in there.connections[0].requests)


def test_of_an_answer_that_takes_several_calls_none_waits_until_the_one_before_is_acknowledged() -> None:
    with posting(echoes) as (api, _):
        assert api.post("id", ANSWER)
        assert api._connection is not None
        assert api._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class Alarm(Exception):
    """What a signal's handler raises."""


@pytest.mark.parametrize("within", ["the answer", "the reply"])
def test_what_is_raised_in_the_midst_leaves_nothing_half_done_to_the_next_answer(within: str) -> None:
    sender = threading.get_ident()

    def ring(*_: object) -> None:
        raise Alarm

    def act(other: Other) -> None:
        assert within == "the answer" or other.request()
        time.sleep(0.05)  # meanwhile the sender waits
        signal.pthread_kill(sender, signal.SIGUSR1)
        while other._more():  # as long as anything comes
            pass

    before = signal.signal(signal.SIGUSR1, ring)
    try:
        with posting(act, echoes) as (api, there):
            with pytest.raises(Alarm):
                api.post("id-0", cut(LARGE, 3) if within == "the answer" else ANSWER)
            assert api.post("id-1", ANSWER)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert there.posted[1] == ["id-1"]
    assert b"id-1" not in there.connections[0]._received


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:99999", "a..b:80", f"{'x' * 70}:80"])
def test_where_an_address_is_none_an_answer_is_not_accepted(address: str) -> None:
    assert not RuntimeApi(address).post("id", ANSWER)


def test_an_address_may_be_one_of_ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no ::1")
    with posting(echoes, host="::1") as (api, there):
        assert api.post("id", ANSWER)
        assert there.connections[0].requests[0].head[1] == f"Host: {there.address}"
    assert there.address.startswith("[::1]:")


# What is replied.


def test_a_reply_may_come_byte_by_byte_and_in_any_two_parts() -> None:
    split = [[ACCEPTED[:start], ACCEPTED[start:]] for start in range(1, len(ACCEPTED))]
    byte_by_byte = [ACCEPTED[start : start + 1] for start in range(len(ACCEPTED))]
    all_sent = [byte_by_byte, *split, byte_by_byte]
    with posting(replies(*all_sent)) as (api, there):
        assert all(api.post(f"id-{number}", ANSWER) for number in range(len(all_sent)))
    assert there.posted == [[f"id-{number}" for number in range(len(all_sent))]]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-length:16\r\na: b\r\n\r\n" + BODY,
        b"HTTP/1.1 202 \r\nCONTENT-LENGTH: 16\r\nConnection: keep-alive\r\n\r\n" + BODY,
        b"HTTP/1.1 299 Whatever\r\nX-Content-Length: 5\r\nContent-Length: 20000\r\n\r\n" + bytes(20_000),
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 23\r\n\r\n\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_reply_is_read_to_its_end_and_its_connection_kept(reply: bytes) -> None:
    parts = [reply[start : start + 3_000] for start in range(0, len(reply), 3_000)]
    with posting(replies(reply, parts, reply)) as (api, there):
        assert [api.post(f"id-{number}", ANSWER) for number in range(3)] == [True] * 3
    assert there.posted == [["id-0", "id-1", "id-2"]]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 202 Accepted\r\n\r\n",
        b"HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\n\r\n\r\nContent-Length: 22\r\n",  # of which that is the body, and its length
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n",
        CLOSED,
        CLOSED.replace(b"Connection: close", b"CONNECTION:close"),
        ACCEPTED.replace(b"Content-Type", b"Connection: close\r\nContent-Type"),
        ACCEPTED + b"\n",
        ACCEPTED + ACCEPTED,
        ACCEPTED.replace(b"16", b"15"),
    ],
)
def test_after_a_reply_whose_end_is_not_known_or_the_last_the_next_answer_goes_over_a_new_connection(
    reply: bytes,
) -> None:
    with posting(replies(reply), replies(reply), echoes) as (api, there):
        assert [api.post(f"id-{number}", ANSWER) for number in range(3)] == [True] * 3
    assert there.posted == [["id-0"], ["id-1"], ["id-2"]]


def test_of_what_comes_after_a_reply_nothing_is_taken_for_the_next() -> None:
    said = threading.Event()

    def act(other: Other) -> None:
        assert other.request()
        other.send(ACCEPTED)
        other.send(b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n")
        said.set()
        assert not other.request()

    with posting(act, echoes) as (api, there):
        assert api.post("id-0", ANSWER)
        assert said.wait(LONGEST_S)
        assert api.post("id-1", ANSWER)
    assert there.posted == [["id-0"], ["id-1"]]


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_connection_that_ended_meanwhile_is_replaced_before_anything_is_sent(how: str) -> None:
    def act(other: Other) -> None:
        for _ in range(2):
            assert other.request()
            other.send(ACCEPTED)
        time.sleep(0.01)  # until the reply is read: a reset throws away what is not
        if how == "reset":
            other.reset()

    with posting(act, act, echoes) as (api, there):
        for number in range(5):
            assert api.post(f"id-{number}", ANSWER)
            if number in {1, 3}:
                over(there, number // 2)
    assert there.posted == [["id-0", "id-1"], ["id-2", "id-3"], ["id-4"]]


def test_nobody_listens_to_what_has_the_number_of_an_ended_connection() -> None:
    pairs: list[tuple[socket.socket, socket.socket]] = []
    with posting(replies_and_ends(CLOSED), echoes) as (api, there):
        assert api.post("id-0", ANSWER)
        over(there, 0)
        for _ in range(20):  # among which that number is
            pairs.append(socket.socketpair())
            for one in pairs[-1]:
                one.send(b"for somebody else")
        assert [api.post(f"id-{number}", ANSWER) for number in range(1, 4)] == [True] * 3
    for pair in pairs:
        for one in pair:
            one.close()
    assert there.posted == [["id-0"], ["id-1", "id-2", "id-3"]]


# What is not accepted.


def refusal(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 16\r\n\r\n" + BODY


@pytest.mark.parametrize(
    "status", [b"302 Found", b"400 Bad", b"403 No", b"413 Too Large", b"500 Failed", b"20 ", b"2020 "]
)
def test_a_refusal_is_no_acceptance_and_the_connection_is_kept(status: bytes) -> None:
    with posting(replies(ACCEPTED, refusal(status), ACCEPTED)) as (api, there):
        assert [api.post(f"id-{number}", ANSWER) for number in range(3)] == [True, False, True]
    assert there.posted == [["id-0", "id-1", "id-2"]]


UNUSUAL = [
    b"",
    b"\r\n\r\n",
    b"\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n",
    b"garbage\r\n\r\nContent-Length: 0\r\n\r\n",
    b"\xff\x00 202 \r\nContent-Length: 0\r\n\r",
    b"HTTP/1.1 500 Failed\r\n\r\nHTTP/1.1 202 ",
    ACCEPTED[:20],
    ACCEPTED[: -len(BODY) - 1],
    ACCEPTED[: -len(BODY)],
    ACCEPTED[:-1],
]


@pytest.mark.parametrize("reply", UNUSUAL)
def test_what_is_no_whole_reply_is_no_acceptance_and_the_next_answer_goes_over_a_new_connection(reply: bytes) -> None:
    with posting(replies_and_ends(reply), replies_and_ends(ACCEPTED, reply), echoes) as (api, there):
        assert [api.post(f"id-{number}", ANSWER) for number in range(4)] == [False, True, False, True]
    assert there.posted == [["id-0"], ["id-1", "id-2"], ["id-3"]]


def test_an_end_while_an_answer_is_sent_is_no_acceptance() -> None:
    def act(other: Other) -> None:
        assert other.raw.recv(1_000)
        other.reset()

    with posting(act, echoes) as (api, there):
        assert [api.post(f"id-{number}", cut(LARGE, 3)) for number in range(2)] == [False, True]
    assert there.posted == [[], ["id-1"]]


def test_where_nobody_listens_an_answer_is_not_accepted() -> None:
    api = RuntimeApi(nobody())
    assert [api.post("id", ANSWER) for _ in range(2)] == [False] * 2


def test_an_answer_that_nobody_reads_or_replies_to_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_post, "_LONGEST_S", 1)

    def reads_no_more(other: Other) -> None:
        assert other.raw.recv(1_000)

    def never_replies(other: Other) -> None:
        assert other.request()

    def never_ends_its_reply(other: Other) -> None:
        assert other.request()
        other.send(ACCEPTED[:-1])

    def is_given_up(act: Act, answer: JsonPieces) -> bool:
        given_up, in_time = threading.Event(), list[bool]()

        def acts_and_waits(other: Other) -> None:
            act(other)
            in_time.append(given_up.wait(LONGEST_S))

        with posting(acts_and_waits, echoes) as (api, there):
            assert not api.post("id-0", answer)
            given_up.set()
            assert api.post("id-1", ANSWER)
        assert there.posted[1:] == [["id-1"]]
        return in_time == [True]

    with ThreadPoolExecutor() as at_once:
        acts, answers = (reads_no_more, never_replies, never_ends_its_reply), (cut(LARGE, 3), ANSWER, ANSWER)
        assert all(at_once.map(is_given_up, acts, answers))


def test_a_connection_that_is_not_made_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_post, "_LONGEST_S", 1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        where: tuple[str, int] = listening.getsockname()
        with socket.create_connection(where, LONGEST_S):  # all that it lets wait
            at_the_latest = threading.Timer(LONGEST_S, listening.shutdown, [socket.SHUT_RDWR])
            at_the_latest.start()
            assert not RuntimeApi(f"127.0.0.1:{where[1]}").post("id", ANSWER)
            assert not at_the_latest.finished.is_set()
            at_the_latest.cancel()
            at_the_latest.join()


# In the client's place.


class _RefusedError(Exception):
    """What the client raises."""


class _Client:
    """As much of the client as posts an answer, which is that it is kept."""

    refuses = False

    def __init__(self, address: str) -> None:
        self.lambda_runtime_address = address
        self.plainly: list[tuple[object, ...]] = []

    def post_invocation_result(
        self, invoke_id: str, result_data: object, content_type: str = "by default", *further: str | None
    ) -> str:
        self.plainly.append((invoke_id, result_data, content_type, *further))
        if self.refuses:
            raise _RefusedError
        return "what the client returns"


def _put(monkeypatch: pytest.MonkeyPatch, theirs: type | None) -> None:
    module = ModuleType(MODULE)
    module.__dict__.update({} if theirs is None else {"LambdaRuntimeClient": theirs})
    monkeypatch.setitem(sys.modules, "awslambdaric", ModuleType("awslambdaric"))
    monkeypatch.setitem(sys.modules, MODULE, module)


def _patched(monkeypatch: pytest.MonkeyPatch, address: str) -> _Client:
    client = type("LambdaRuntimeClient", (_Client,), {})
    _put(monkeypatch, client)
    assert post_in_pieces()
    return client(address)


@pytest.mark.parametrize("further", [(), (None,), ("a-b",)])
def test_the_client_posts_pieces_as_they_lie_over_one_connection(
    further: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(replies(ACCEPTED, CLOSED)) as there:
        client = _patched(monkeypatch, there.address)
        for number in range(2):
            assert client.post_invocation_result(f"id-{number}", ANSWER, "application/json", *further) is None
    assert there.posted == [["id-0", "id-1"]]
    assert not client.plainly
    told = [line for line in there.connections[0].requests[1].head if "Invocation-Id" in line]
    assert told == (["Lambda-Runtime-Invocation-Id: a-b"] if "a-b" in further else [])


@pytest.mark.parametrize("further", [(), (None,), ("a-b",)])
@pytest.mark.parametrize("reply", [*UNUSUAL, b"HTTP/1.1 413 Too Large\r\n\r\n", b"HTTP/1.1 500 Failed\r\n\r\n", None])
def test_an_answer_that_is_not_accepted_is_posted_once_by_the_clients_own_way(
    reply: bytes | None, further: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(*[] if reply is None else [replies_and_ends(reply)]) as there:
        client = _patched(monkeypatch, nobody() if reply is None else there.address)
        returned = client.post_invocation_result("id", ANSWER, "application/json", *further)
    assert returned == "what the client returns"
    assert client.plainly == [("id", b'{"body":"abc"}', "application/json", *further)]
    assert there.posted == ([] if reply is None else [["id"]])


def test_what_the_clients_own_way_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(replies_and_ends(b"HTTP/1.1 413 Too Large\r\n\r\n")) as there:
        client = _patched(monkeypatch, there.address)
        client.refuses = True
        with pytest.raises(_RefusedError):
            client.post_invocation_result("id", ANSWER, "application/json", None)
    assert client.plainly == [("id", b'{"body":"abc"}', "application/json", None)]


@pytest.mark.parametrize("result", ['{"a":"\u00e9"}', b"[]", b""])
@pytest.mark.parametrize("further", [(), ("text/plain",), ("text/plain", None), ("text/plain", "a-b")])
def test_what_is_not_in_pieces_goes_the_clients_own_way(
    result: str | bytes, further: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served() as there:
        client = _patched(monkeypatch, there.address)
        assert client.post_invocation_result("id", result, *further) == "what the client returns"
    assert client.plainly == [("id", result, *(further or ("by default",)))]
    assert client.plainly[0][1] is result


def test_what_the_clients_own_way_raises_for_another_answer_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    client = _patched(monkeypatch, nobody())
    client.refuses = True
    with pytest.raises(_RefusedError):
        client.post_invocation_result("id", b"{}", "application/json", None)
    assert len(client.plainly) == 1


class _Marshaller:
    """The client's own, which nothing here asks."""

    unmarshal_request = marshal_response = callable


@pytest.mark.parametrize("posts", [True, False])
def test_only_a_client_that_posts_in_pieces_is_given_pieces(posts: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 (either)
    further = {"post_invocation_result": _Client.post_invocation_result} if posts else {}
    client: Any = type("LambdaRuntimeClient", (), {"marshaller": _Marshaller(), **further})
    _put(monkeypatch, client)
    assert speed_up_runtime_client()
    given = client.marshaller.marshal_response(ANSWER)
    assert given == (ANSWER if posts else ANSWER.joined(), "application/json")


class _Later:
    """A client as it may be some day: one that tells other things, by their names, and keeps its address elsewhere."""

    lambda_runtime_address: str

    def __init__(self) -> None:
        self.plainly: list[object] = []

    def post_invocation_result(self, *told: object, **named: object) -> None:
        self.plainly += [*told, *named.items()]


def test_a_client_that_tells_more_or_in_another_way_gets_the_answer_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    client = type("LambdaRuntimeClient", (_Later,), {})
    _put(monkeypatch, client)
    assert post_in_pieces()
    whole, later = b'{"body":"abc"}', client()
    later.post_invocation_result("id", ANSWER, "application/json", None)
    assert later.plainly == ["id", whole, "application/json", None]
    with served() as there:
        for told, named in (
            (("id", ANSWER, "application/json", None, "tenant"), {}),
            (("id", ANSWER, "application/json"), {"invocation_id": None}),
            ((), {"invoke_id": "id", "result_data": ANSWER}),
            (("id",), {"result_data": ANSWER}),
            ((ANSWER,), {}),
        ):
            later = client()
            later.lambda_runtime_address = there.address
            later.post_invocation_result(*told, **named)
            expected = [*told, *named.items()]
            assert later.plainly == [_joined(one) for one in expected]
    assert there.posted == []


def _joined(told: object) -> object:
    match told:
        case JsonPieces():
            return told.joined()
        case (str(name), JsonPieces() as pieces):
            return name, pieces.joined()
        case _:
            return told


@pytest.mark.parametrize("theirs", [None, type("LambdaRuntimeClient", (), {})])
def test_another_client_is_left_alone(theirs: type | None, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(monkeypatch, theirs)
    assert not post_in_pieces()
    assert theirs is None or not hasattr(theirs, "post_invocation_result")


def test_where_there_is_no_client_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    assert not post_in_pieces()
