"""How do requests travel to DynamoDB without an HTTP library? Over connections that are kept, one request at a time.

Only the plainest of replies is read: HTTP/1.1, a status that has a body, headers that stand once, a body whose length
is given. All else is `Unreadable`, and whoever asked goes the plain way, or takes the outcome as unknown.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_CONNECTIONS = 50
_CONNECT_TIMEOUT_S = 1.0
_READ_TIMEOUT_S = 3.0  # between two pieces of a reply
# As long as aiohttp keeps one: what is idle for longer, a server may be closing just now.
_IDLE_S = 12.0
_MOST_HEAD_BYTES = 16_384
_HEAD_ROOM_BYTES = 32_768
_MOST_BODY_BYTES = 32 * 1024 * 1024  # twice what BatchGetItem returns at most
_STATUS = re.compile(rb"HTTP/1\.1 (?!204|304)([2-5]\d\d)(?: [\x20-\x7e]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*")
_LENGTH = re.compile(r"\d{1,9}")


class NotConnected(Exception):
    """No connection was had, so nothing was sent."""


class NotConnectedInTime(NotConnected):
    """No connection was had in time."""


class Broken(Exception):
    """The connection ended before the reply did: nobody knows what became of the request."""


class Silent(Broken):
    """Nothing came for too long."""


class Unreadable(Broken):
    """A reply came that is not as plain as it should be."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply, its headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Connections to one server, made when they are needed."""

    def __init__(self, url: str, trusted: ssl.SSLContext | None) -> None:
        """Take where the server is, and whom to trust; a URL of http needs nobody."""
        self.url = url
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._trusted = trusted
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def exchange(self, request: bytes) -> RawReply:
        """Send a request, once, and return its reply. Raises: NotConnected, Broken."""
        async with self._places:
            connection = self._kept() or await self._connected()
            try:
                reply = await connection.exchange(request)
            except BaseException:
                connection.abort()
                raise
            if connection.is_open():
                self._idle.append(connection)
            return reply

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().abort()

    def _kept(self) -> _Connection | None:
        """Return the one that was used last, if any may still be open."""
        oldest_s = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open() and connection.used_s > oldest_s:
                return connection
            connection.abort()
        return None

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._trusted)
        except TimeoutError as late:
            raise NotConnectedInTime from late
        except (OSError, ssl.SSLError, UnicodeError) as fault:
            raise NotConnected from fault
        return connection


class _Connection(asyncio.BufferedProtocol):
    """One connection, and the exchange on it.

    A body is received where it stays, with room for a byte more than it has: what fills that is none of it.
    """

    def __init__(self) -> None:
        self.used_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[RawReply] | None = None
        self._head: tuple[int, Mapping[str, str]] | None = None
        self._received = bytearray(_HEAD_ROOM_BYTES)
        self._end = 0  # of what has been received
        self._watch: asyncio.TimerHandle | None = None
        self._heard_s = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(Broken())

    @override
    def eof_received(self) -> None:
        self._fail(Broken())

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._received)[self._end :] or memoryview(bytearray(1))  # none may be empty

    @override
    def buffer_updated(self, nbytes: int) -> None:
        if self._reply is None or self._reply.done():
            self.abort()  # nobody has asked: what comes now would be taken for the next reply
            return
        self._heard_s = asyncio.get_running_loop().time()
        self._end += nbytes
        if self._head is None:
            self._read_head()
        if self._head is not None and self._end >= len(self._received) - 1:
            self._complete(*self._head)

    async def exchange(self, request: bytes) -> RawReply:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            raise Broken
        self._reply = loop.create_future()
        self._head, self._received, self._end = None, bytearray(_HEAD_ROOM_BYTES), 0
        self._heard_s = loop.time()
        self._watch = loop.call_at(self._heard_s + _READ_TIMEOUT_S, self._look, loop)
        try:
            self._transport.write(request)
            return await self._reply
        finally:
            self._watch.cancel()
            self._reply = None
            self.used_s = loop.time()

    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up where nothing has been heard for too long, else look again later."""
        until_s = self._heard_s + _READ_TIMEOUT_S
        if loop.time() >= until_s:
            self._fail(Silent())
        else:
            self._watch = loop.call_at(until_s, self._look, loop)

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n", 0, self._end)
        if end < 0:
            if self._end >= _MOST_HEAD_BYTES:
                self._fail(Unreadable())
            return
        self._head = read_head(bytes(self._received[:end]))
        if self._head is None:
            self._fail(Unreadable())
            return
        begun, length = self._received[end + 4 : self._end], int(self._head[1]["content-length"])
        self._received = bytearray(max(length, len(begun)) + 1)
        self._received[: len(begun)] = begun
        self._end = len(begun)

    def _complete(self, status: int, headers: Mapping[str, str]) -> None:
        length = int(headers["content-length"])
        if self._end > length:
            self._fail(Unreadable())
            return
        if headers.get("connection", "keep-alive").lower() != "keep-alive" and self._transport is not None:
            self._transport.close()
        if self._reply is not None:
            self._reply.set_result(RawReply(status, headers, bytes(memoryview(self._received)[:length])))

    def _fail(self, fault: Broken) -> None:
        with suppress(asyncio.InvalidStateError):
            if self._reply is not None:
                self._reply.set_exception(fault)


def read_head(head: bytes) -> tuple[int, Mapping[str, str]] | None:
    """Return status and headers, up to the empty line; None where anything is unusual."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        name = found[1].decode().lower()
        if name in headers:
            return None
        headers[name] = found[2].decode()
    length = headers.get("content-length", "")
    plain = headers.keys().isdisjoint(("transfer-encoding", "content-encoding", "trailer"))
    if status is None or not plain or not _LENGTH.fullmatch(length) or int(length) > _MOST_BODY_BYTES:
        return None
    return int(status[1]), headers
