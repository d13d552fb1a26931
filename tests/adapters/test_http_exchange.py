"""Is a reply whole when h11 says so, with the same bytes, however it comes in pieces? And may another follow then?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters.http_exchange import Exchange

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

HEADERS = [(b"Host", b"model.test"), (b"Content-Length", b"4")]
MOST_BYTES = 40_000


@dataclass(frozen=True)
class Read:
    """What came of a reply: after how many pieces, with what, and whether the connection can be used again."""

    pieces: int
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    open: bool


def asked() -> Exchange:
    return Exchange(b"/embeddings?a=b", HEADERS, b"text", MOST_BYTES)


def by_h11(pieces: list[bytes]) -> Read | str:
    """Read a reply with h11 alone."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
    for event in (h11.Request(method="POST", target="/embeddings?a=b", headers=HEADERS), h11.Data(b"text")):
        http.send(event)
    http.send(h11.EndOfMessage())
    head, body = h11.Response(status_code=200, headers=[]), b""
    for count, piece in enumerate(pieces, 1):
        http.receive_data(piece)
        for event in events_of(http):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                usable = http.our_state is http.their_state is h11.DONE and not http.trailing_data[0]
                return Read(count, head.status_code, list(head.headers), body, usable)
            if event is h11.PAUSED or len(body) > MOST_BYTES:
                return "broken"
    return "unfinished"


def events_of(http: h11.Connection) -> Iterator[object]:
    """Return what a piece comes to; the last is PAUSED where it never will come to anything."""
    try:
        while (event := http.next_event()) is not h11.NEED_DATA:
            yield event
    except h11.RemoteProtocolError:
        yield h11.PAUSED


def by_exchange(pieces: list[bytes]) -> Read | str:
    exchange = asked()
    for count, piece in enumerate(pieces, 1):
        try:
            whole = exchange.receive(piece)
        except h11.RemoteProtocolError:
            return "broken"
        if whole:
            body = b"".join(exchange.parts)
            return Read(count, exchange.status, list(exchange.headers), body, exchange.leaves_open())
    return "unfinished"


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


HEADS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 X\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"SSH-2.0\r\n",
]
MORE = [b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Set-Cookie: a\r\nSet-Cookie: b\r\n", b"X: \r\n"]


def reply_of(draw: random.Random) -> bytes:
    body = draw.randbytes(draw.choice([0, 1, 10, 20_000, MOST_BYTES, MOST_BYTES + 1]))
    framed = [
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        b"content-length: %d\r\nContent-Length: %d\r\n\r\n%b" % (len(body), len(body), body),
        b"Content-Length: %d\r\nContent-Length: 3\r\n\r\n%b" % (len(body), body),
        b"Content-Length: %d\r\n\r\n%bmore than it said" % (len(body), body),
        b"Content-Length: %d\r\n\r\n%b" % (len(body) + 1, body),
        b"Content-Length: -1\r\n\r\n" + body,
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 999),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunked(body, 7_000) + b"HTTP/1.1",
        b"Transfer-Encoding: gzip\r\n\r\n" + body,
        b"\r\n" + body,
    ]
    return draw.choice(HEADS) + draw.choice(MORE) + draw.choice(framed)


def garbled(reply: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(min(len(reply), 120))
    return draw.choice([reply[:at], reply[:at] + draw.randbytes(1) + reply[at + 1 :], reply[:at] + reply[at + 1 :]])


def in_pieces(reply: bytes, draw: random.Random) -> list[bytes]:
    """Cut a reply anywhere, mostly in its head; the end of the connection comes last."""
    most = draw.choice([len(reply), min(len(reply), 150)])
    cuts = sorted({0, len(reply), *(draw.randint(0, most) for _ in range(draw.randint(0, 6)))})
    return [*(reply[start:end] for start, end in pairwise(cuts)), b""]


@settings(deadline=None)
@given(st.randoms(use_true_random=True))
def test_a_reply_is_read_as_h11_alone_reads_it(draw: random.Random) -> None:
    for _ in range(20):
        reply = reply_of(draw)
        for form in (reply, garbled(reply, draw)):
            pieces = in_pieces(form, draw)
            assert by_exchange(pieces) == by_h11(pieces), pieces


def test_a_request_is_written_as_h11_writes_it() -> None:
    head = b"POST /embeddings?a=b HTTP/1.1\r\nHost: model.test\r\nContent-Length: 4\r\n\r\n"
    assert asked().written == head + b"text"
