"""What does the laptop's server say over a real socket to those who send too much, or what is no HTTP at all?"""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from embedge.core.request import MAX_BODY_BYTES
from infra.local.listening import listen
from infra.local.plain_protocol import PlainProtocol
from tests.api.client import Caller
from tests.embed.world import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

pytestmark = pytest.mark.xdist_group("http")
BODY = json.dumps({"model": MODEL, "input": "a"}).encode()


class Server:
    """A running server, and a token that it takes."""

    def __init__(self, port: int, caller: Caller) -> None:
        self.port = port
        self.token = caller.token()
        self.statuses = [0]
        self._caller = caller

    def exchange(self, parts: Iterable[bytes]) -> bytes:
        """Send parts, and return all that is answered until the server closes."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as connection:
            for part in parts:
                connection.sendall(part)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def head(self, *headers: str) -> bytes:
        """Return the head of a request for embeddings, after which the connection ends."""
        lines = [
            "POST /v1/embeddings HTTP/1.1",
            "host: x",
            f"authorization: Bearer {self.token}",
            "content-type: application/json",
            *headers,
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def logged(self) -> list[int]:
        """Return the statuses of all requests that reached the application."""
        return [status for _, status in self._caller.records.seen]


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    caller = Caller()
    with listen("127.0.0.1", 0) as listener:
        running = uvicorn.Server(
            uvicorn.Config(caller.app, http=PlainProtocol, ws="none", log_config=None, timeout_keep_alive=60)
        )
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        try:
            yield Server(listener.getsockname()[1], caller)
        finally:
            running.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def parsed(answer: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and JSON of an answer, held to what every answer has."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = dict(header.split(": ", 1) for header in rest)
    assert len(body) == int(headers["content-length"])
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-processing-ms"].isdecimal()
    assert headers["cache-control"] == "private, no-store"
    return int(line.split()[1]), headers, json.loads(body)


def read_one(connection: socket.socket) -> bytes:
    """Return one answer of a connection that may stay open."""
    answer = b""
    while True:
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            return answer
        answer += connection.recv(65_536)


CLOSE = "connection: close"
CHUNKED = "transfer-encoding: chunked"
MALFORMED: dict[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a NUL in the path": b"GET /v1/mo\0dels HTTP/1.1\r\nhost: x\r\n\r\n",
    "a NUL in a header": b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-bot-id: a\0b\r\n\r\n",
    "a space in a header's name": b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx bot: a\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /v1/models HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "two lengths": b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "a length below nothing": b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "an unknown transfer": b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
    "70 KB of headers": b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 70_000,
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_is_answered_in_the_shape_of_all_errors(server: Server, request_: bytes) -> None:
    before = len(server.logged())
    status, headers, document = parsed(server.exchange([request_]))
    assert (status, headers["connection"]) == (400, "close")
    assert document["error"].keys() == {"message", "type", "param", "code"}
    assert (document["error"]["type"], document["error"]["code"]) == ("invalid_request_error", None)
    assert len(server.logged()) == before


@pytest.mark.parametrize("chunk", [b"x\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"f" * 30 + b"\r\n", b"0x5\r\nabcde\r\n"])
def test_a_malformed_chunk_in_the_middle_of_a_body_is_answered_too(server: Server, chunk: bytes) -> None:
    status, _, _ = parsed(server.exchange([server.head(CHUNKED), b"3\r\nabc\r\n", chunk]))
    assert status == 400
    assert 500 not in server.logged()


def test_a_malformed_chunk_is_no_fault_of_ours_though_the_answer_was_given_or_about_to_be(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert parsed(server.exchange([head + b"x\r\n"]))[0] == 400
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        connection.sendall(head)
        assert parsed(read_one(connection))[0] == 404
        connection.sendall(b"x\r\n")
        assert connection.recv(1) == b""
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_follows_a_good_request_is_refused_after_its_answer(server: Server) -> None:
    good = server.head(f"content-length: {len(BODY)}") + BODY
    answers = server.exchange([good, b"no HTTP\r\n\r\n"]).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"400"]


def in_chunks(body: bytes, size: int) -> Iterable[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@pytest.mark.parametrize(("over", "status"), [(-1, 200), (0, 200), (1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_holds_to_the_byte_with_and_without_a_length(
    server: Server, over: int, status: int, *, chunked: bool
) -> None:
    body = BODY + b" " * (MAX_BODY_BYTES + over - len(BODY))
    if chunked:
        answer = server.exchange([server.head(CHUNKED, CLOSE), *in_chunks(body, 100_003)])
    else:
        answer = server.exchange([server.head(f"content-length: {len(body)}", CLOSE), body])
    assert parsed(answer)[0] == status


def test_gzip_in_chunks_of_a_few_bytes_is_a_request_like_any_other(server: Server) -> None:
    head = server.head(CHUNKED, CLOSE, "content-encoding: gzip")
    assert parsed(server.exchange([head, *in_chunks(gzip.compress(BODY), 3)]))[0] == 200


def test_a_gigabyte_that_is_only_announced_is_refused_at_once(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        connection.sendall(server.head(f"content-length: {10**9}"))
        assert parsed(read_one(connection))[0] == 413


def test_a_gigabyte_that_comes_is_heard_so_far_that_its_sender_sees_the_answer_and_no_further(server: Server) -> None:
    sent = 0
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        connection.sendall(server.head(f"content-length: {10**9}"))
        try:
            while sent < 10**9:
                sent += connection.send(b" " * 1_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert 16 * 1024 * 1024 < sent < 64 * 1024 * 1024


def test_after_a_refusal_the_connection_takes_the_next_request(server: Server) -> None:
    over = b" " * (MAX_BODY_BYTES + 1)
    refused = [server.head(f"content-length: {len(over)}"), over]
    answers = server.exchange([*refused, server.head(f"content-length: {len(BODY)}", CLOSE), BODY])
    assert [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]] == [b"413", b"200"]


def test_who_asks_first_is_told_to_send_what_can_be_taken(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        connection.sendall(server.head(f"content-length: {len(BODY)}", "expect: 100-continue", CLOSE))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert parsed(b"".join(iter(lambda: connection.recv(65_536), b"")))[0] == 200


def test_who_asks_first_is_told_that_it_is_too_much_before_it_is_sent(server: Server) -> None:
    answer = server.exchange([server.head(f"content-length: {MAX_BODY_BYTES + 1}", "expect: 100-continue")])
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert parsed(answer)[0] == 413


def test_a_sender_that_leaves_in_the_middle_harms_nobody(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
        connection.sendall(server.head("content-length: 1000") + b"half")
    good = server.exchange([server.head(f"content-length: {len(BODY)}", CLOSE), BODY])
    assert parsed(good)[0] == 200
    assert 500 not in server.logged()
