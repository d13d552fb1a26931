"""How are connections to targets made, kept and used again? As httpx's own, for a fifth of what those take.

httpx's pool reads 16 KB of TLS a turn, each within a scope of its own: fifty turns for a hundred vectors.
This is a transport for httpx that makes plain calls: POST, HTTP/1.1, no proxy, the whole body at once. All others go
httpx's way, and both answer alike (tests).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import h11
import httpx
from typing_extensions import override

from embedge.adapters.http_connection import RECEIVED_AT_ONCE_BYTES, Connection
from embedge.adapters.http_exchange import Exchange
from embedge.adapters.outside_addresses import outside_addresses

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

MOST_AT_ONCE = 256
MOST_IDLE = 64
IDLE_S = 60.0
_NEXT_ADDRESS_S = 0.25  # until another address of the host is tried too (RFC 8305)
_PORTS = {"http": 80, "https": 443}


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Opening(Protocol):
    """How a connection is opened."""

    async def __call__(self, made: Callable[[], Connection], host: str, port: int, limit_s: float | None) -> Connection:
        """Connect to a host. Raises: OSError, TimeoutError."""
        ...


class KeptConnections(httpx.AsyncBaseTransport):
    """Of httpx's time limits it heeds `connect` and `pool`; for the reply, whoever asks has one."""

    def __init__(self, opened: Opening, trusted: Callable[[], ssl.SSLContext], most_bytes: int) -> None:
        """Take how to connect, whom to trust, once that is needed, and how long a body may be."""
        self._opened = opened
        self._trusted = trusted
        self._context: ssl.SSLContext | None = None
        self._most_bytes = most_bytes
        self._buffer = memoryview(bytearray(RECEIVED_AT_ONCE_BYTES))
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._idle: deque[tuple[_Origin, Connection]] = deque()  # used longest ago first
        self._in_use: set[Connection] = set()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, once, and return its reply. Raises: httpx.TransportError."""
        origin, limits_s = _origin(request.url), request.extensions.get("timeout", {})
        try:
            exchange = Exchange(request.url.raw_path, request.headers.raw, request.content, self._most_bytes)
        except h11.LocalProtocolError as fault:
            raise httpx.LocalProtocolError(str(fault)) from fault
        async with self._place(limits_s.get("pool")):
            connection = self._kept(origin) or await self._connected(origin, limits_s.get("connect"))
            self._in_use.add(connection)
            try:
                await connection.make(exchange)
            except BaseException:
                connection.abort()
                raise
            finally:
                self._in_use.discard(connection)
            self._keep(origin, connection) if exchange.leaves_open() else connection.abort()
        return httpx.Response(exchange.status, headers=list(exchange.headers), stream=_Body(exchange.parts))

    @override
    async def aclose(self) -> None:
        """Close every connection."""
        for connection in (*self._in_use, *(connection for _, connection in self._idle)):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # they close when the loop comes round

    @asynccontextmanager
    async def _place(self, limit_s: float | None) -> AsyncGenerator[None]:
        if self._places.locked():
            try:
                async with asyncio.timeout(limit_s):
                    await self._places.acquire()
            except TimeoutError as late:
                raise httpx.PoolTimeout("too many calls are under way") from late
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    def _kept(self, origin: _Origin) -> Connection | None:
        """Return the one that was used last, if any may still be open."""
        oldest_s = asyncio.get_running_loop().time() - IDLE_S
        while self._idle and self._idle[0][1].used_s < oldest_s:
            self._idle.popleft()[1].abort()
        for kept in reversed(tuple(self._idle)):
            if kept[0] == origin:
                self._idle.remove(kept)
                if kept[1].is_silent():
                    return kept[1]
                kept[1].abort()
        return None

    def _keep(self, origin: _Origin, connection: Connection) -> None:
        self._idle.append((origin, connection))
        if len(self._idle) > MOST_IDLE:
            self._idle.popleft()[1].abort()

    async def _connected(self, origin: _Origin, limit_s: float | None) -> Connection:
        try:
            connection = await self._opened(lambda: Connection(self._buffer), origin.host, origin.port, limit_s)
            if origin.scheme == "https":
                await self._secured(connection, origin.host, limit_s)
        except TimeoutError as late:
            raise httpx.ConnectTimeout("no connection was had in time") from late
        except (OSError, ValueError) as fault:
            raise httpx.ConnectError(str(fault)) from fault
        return connection

    async def _secured(self, connection: Connection, host: str, limit_s: float | None) -> None:
        if self._context is None:
            self._context = self._trusted()
            self._context.set_alpn_protocols(["http/1.1"])
        async with asyncio.timeout(limit_s):
            await connection.secure(self._context, host)


async def open_anywhere(made: Callable[[], Connection], host: str, port: int, limit_s: float | None) -> Connection:
    """Connect to whatever the host is. Raises: OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(limit_s):
        _, connection = await loop.create_connection(made, host, port, happy_eyeballs_delay=_NEXT_ADDRESS_S)
    return connection


async def open_outside(made: Callable[[], Connection], host: str, port: int, limit_s: float | None) -> Connection:
    """Connect to the first address of the host that answers. Raises: LiesInside where one lies inside; OSError."""
    async with asyncio.timeout(limit_s):
        addresses = await outside_addresses(host, port)
    failure = OSError(f"no address of {host} could be connected to")
    for address in addresses:
        try:
            return await open_anywhere(made, address, port, limit_s)
        except TimeoutError:
            raise
        except OSError as refused:
            failure = refused
    raise failure


class _Body(httpx.AsyncByteStream):
    """A body that is here already; what it was packed in is httpx's to undo."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def _origin(url: httpx.URL) -> _Origin:
    """Return where a URL leads. Raises: httpx.UnsupportedProtocol."""
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol("only http and https can be spoken")
    return _Origin(url.scheme, url.raw_host.decode(), url.port or _PORTS[url.scheme])
