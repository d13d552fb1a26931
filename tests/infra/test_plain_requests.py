"""Is what is read at a glance read as h11 reads it, and answered as h11 answers it, whatever comes in what pieces?"""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import h11
import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typing_extensions import override
from uvicorn.server import ServerState

from infra.local.http_errors import JsonErrorsProtocol
from infra.local.plain_protocol import PlainProtocol
from infra.local.plain_requests import read_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

_LINES = st.sampled_from(
    [
        *(b"POST /v1/embeddings HTTP/1.1", b"POST /v1/embeddings HTTP/1.1", b"POST /a%2Fb?x=%20y HTTP/1.1"),
        *(b"POST * HTTP/1.1", b"POST /early HTTP/1.1", b"POST /closed HTTP/1.1", b"POST /\x80 HTTP/1.1"),
        *(b"POST /v1/embeddings HTTP/1.0", b"GET / HTTP/1.1", b"POST  / HTTP/1.1", b"post / HTTP/1.1", b"POST /"),
    ]
)
_FIELDS = st.lists(
    st.sampled_from(
        [
            *(b"Host: x", b"Host: x", b"host:y", b"Content-Length: 5", b"content-length:5", b"Content-Length: 05"),
            *(b"Content-Length: 0", b"Content-Length: 6", b"Content-Length: 300000", b"Content-Length: -1"),
            *(b"Content-Length: 5, 5", b"Content-Length: 5x", b"Content-Length: " + b"9" * 30, b"Content-Length : 5"),
            *(b"Connection: keep-alive", b"Connection: Keep-Alive", b"Connection: close", b"Connection: TE, close"),
            *(b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Upgrade: h2c", b"TE: trailers"),
            *(b"Expect: 100-continue", b"X-Empty:", b"X-Empty:  ", b"X-Tab:\ta\tb\t", b"X-Words:  a  b "),
            *(
                b"X-Value: \xe9",
                b"X: a\0b",
                b"X: a\rb",
                b"X: a\nY: b",
                b"X: a\x01b",
                b"X\0: a",
                b" folded",
                b"\tfolded",
            ),
            *(
                b": a",
                b"no colon",
                b"X-Bot-ID: one",
                b"x-bot-id: two",
                b"X: " + b"a" * 20_000,
                b"\r",
                b"",
                b"X-\xe9: a",
            ),
        ]
    ),
    max_size=5,
)


def _head(line: bytes, fields: Sequence[bytes], end: bytes) -> bytes:
    return end.join((line, *fields, b"", b""))


def _requests() -> st.SearchStrategy[bytes]:
    """Draw a request that is nearly good, and what follows it."""
    begins = st.sampled_from([[b"Host: x", b"Content-Length: 5"], [b"Host: x", b"Content-Length: 5"], []])
    ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])
    bodies = st.sampled_from([b"", b"12345", b"12345", b"123456", b"1", b"\r\n12345"])
    return st.builds(_request, _LINES, begins, _FIELDS, ends, bodies)


def _request(line: bytes, begin: list[bytes], fields: list[bytes], end: bytes, body: bytes) -> bytes:
    return _head(line, [*begin, *fields], end) + body


@settings(max_examples=1000, deadline=None)
@given(_requests())
@example(_head(b"POST /v1/embeddings HTTP/1.1", [b"Host: x", b"Content-Length: 5"], b"\r\n") + b"12345")
def test_what_is_read_at_a_glance_h11_reads_just_so(data: bytes) -> None:
    plain = read_plain(data)
    if plain is None:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.http_version, request.target) == (b"POST", b"1.1", plain.target)
    assert list(request.headers) == plain.headers
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert body == plain.rest[: plain.length]
    assert connection.trailing_data[0] == plain.rest[plain.length :]
    assert isinstance(event, h11.EndOfMessage) == (len(plain.rest) >= plain.length)
    assert not connection.they_are_waiting_for_100_continue
    assert connection.their_state in {h11.SEND_BODY, h11.DONE}


@pytest.mark.parametrize("body", [b"", b"{}", b"{}POST"])
def test_what_an_sdk_sends_is_read_at_a_glance(body: bytes) -> None:
    fields = [
        *(b"Host: 127.0.0.1:8787", b"Accept-Encoding: gzip, deflate", b"Connection: keep-alive"),
        *(b"Accept: application/json", b"Content-Type: application/json", b"User-Agent: OpenAI/Python 2.8.0"),
        *(b"X-Stainless-Lang: python", b"Authorization: Bearer a.b.c", b"Content-Length: 2"),
    ]
    plain = read_plain(_head(b"POST /v1/embeddings HTTP/1.1", fields, b"\r\n") + body)
    assert plain is not None
    assert (plain.target, plain.length, plain.rest) == (b"/v1/embeddings", 2, body)
    assert plain.headers[0] == (b"host", b"127.0.0.1:8787")


@pytest.mark.parametrize(
    "field",
    [
        *(b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: close"),
        *(b"Content-Length: 5", b"host: y", b"X y: a", b"X-Empty:", b"X: a\0b", b"X: a\rb", b"X: a\nY: b", b" folded"),
        *(b": a", b"no colon", b"X-\xe9: a", b"X: " + b"a" * 20_000),
    ],
)
def test_what_is_anything_but_plain_is_left_to_h11(field: bytes) -> None:
    fields = [b"Host: x", field, b"Content-Length: 5"]
    assert read_plain(_head(b"POST /v1/embeddings HTTP/1.1", fields, b"\r\n") + b"12345") is None


_GOOD, _EARLY, _CLOSED = (
    _head(b"POST %b HTTP/1.1" % path, [b"Host: x", b"Content-Length: 5"], b"\r\n") + b"12345"
    for path in (b"/v1/embeddings", b"/early", b"/closed")
)


@settings(max_examples=300, deadline=None)
@given(
    requests=st.lists(_requests(), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 400), max_size=6),
    slowly=st.booleans(),
)
@example(requests=[_GOOD, _GOOD], cuts=[len(_GOOD) - 5, len(_GOOD) - 2], slowly=True)
@example(requests=[_EARLY, _GOOD], cuts=[len(_EARLY) - 5, len(_EARLY) - 2], slowly=True)
@example(requests=[_GOOD, _EARLY, _GOOD], cuts=[], slowly=False)
@example(requests=[_CLOSED, _GOOD], cuts=[], slowly=True)
def test_a_connection_is_served_as_h11_serves_it_whatever_comes_in_what_pieces(
    requests: list[bytes],
    cuts: list[int],
    slowly: bool,  # noqa: FBT001 (drawn)
) -> None:
    data = b"".join(requests)
    places = sorted({cut % len(data) for cut in cuts} | {0, len(data)}) if data else [0]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert _served(PlainProtocol, pieces, slowly=slowly) == _served(JsonErrorsProtocol, pieces, slowly=slowly)


def test_a_plain_request_is_answered_in_one_write_and_its_connection_kept() -> None:
    seen = asyncio.run(_Connection(PlainProtocol).serve([_GOOD, _GOOD], slowly=True))
    assert len(seen.written) == 2
    assert seen.kept
    assert [scope["path"] for scope in seen.scopes] == ["/v1/embeddings"] * 2


@pytest.mark.parametrize(
    ("headers", "body"), [([(b"x", b"a\r\nb: c")], b""), ([(b"content-length", b"3")], b"ab"), ([], b"")]
)
def test_an_answer_that_would_be_read_as_another_is_not_sent(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    request = _head(b"POST / HTTP/1.1", [b"Host: x", b"Content-Length: 0"], b"\r\n")
    seen = asyncio.run(_Connection(PlainProtocol, app).serve([request], slowly=True))
    assert (seen.written, seen.kept) == ([], False)


def _served(protocol: type[JsonErrorsProtocol], pieces: Sequence[bytes], *, slowly: bool) -> object:
    seen = asyncio.run(_Connection(protocol).serve(pieces, slowly=slowly))
    written = re.sub(rb"req_[0-9a-f]{32}", b"", b"".join(seen.written))
    return written, seen.kept, seen.scopes, seen.bodies


class _Connection(asyncio.Transport):
    """A connection that nobody is at the other end of, and what came of it."""

    def __init__(self, protocol: type[JsonErrorsProtocol], app: Any = None) -> None:
        super().__init__({"peername": ("192.0.2.1", 1234), "sockname": ("192.0.2.2", 80)})
        self.written: list[bytes] = []
        self.closed = False
        self.kept = True
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self._reading = True
        self._protocol = protocol
        self._app = app or self._echo

    async def serve(self, pieces: Sequence[bytes], *, slowly: bool) -> _Connection:
        """Give it the pieces, one after the other, as long as it takes them."""
        config = uvicorn.Config(
            self._app, interface="asgi3", ws="none", log_config=None, date_header=False, proxy_headers=False
        )
        config.load()
        protocol = self._protocol(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(self)
        for piece in pieces:
            for _ in range(8 if slowly or not self._reading else 0):
                await asyncio.sleep(0)
            if not self.closed:
                protocol.data_received(piece)
        for _ in range(30):
            await asyncio.sleep(0)
        self.kept = not self.closed
        protocol.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        return self

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append({name: value for name, value in scope.items() if name != "state"})
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        length = (b"content-length", b"%d" % len(body))
        closing = [(b"connection", b"close")] if scope["path"] == "/closed" else []
        await send({"type": "http.response.start", "status": 200, "headers": [length, *closing]})
        await send({"type": "http.response.body", "body": body})

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written.append(bytes(data))

    @override
    def close(self) -> None:
        self.closed = True

    @override
    def is_closing(self) -> bool:
        return self.closed

    @override
    def pause_reading(self) -> None:
        self._reading = False

    @override
    def resume_reading(self) -> None:
        self._reading = True
