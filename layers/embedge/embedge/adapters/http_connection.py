"""How do bytes come over one connection? As many at once as have arrived, without a task or a timer for each piece."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

import h11
from typing_extensions import override

from embedge.adapters.late_httpx import httpx

if TYPE_CHECKING:
    import ssl

    from embedge.adapters.http_exchange import Exchange

RECEIVED_AT_ONCE_BYTES = 256 * 1024  # as asyncio's TLS takes from a socket at most


class Connection(asyncio.BufferedProtocol):
    """One connection, and the exchange on it. All of an event loop may share a `buffer`: nothing stays there."""

    def __init__(self, buffer: memoryview) -> None:
        """Take where bytes are received."""
        self.used_s = 0.0
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._whole: asyncio.Future[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        if self._exchange is None:
            self.abort()  # nobody has asked: what comes now would be taken for the next reply
        else:
            self._receive(bytes(self._buffer[:nbytes]))

    @override
    def eof_received(self) -> None:
        self._receive(b"")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None:
            self._receive(b"")
        else:
            self._fail(httpx.ReadError(str(exc)))

    async def secure(self, trusted: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on, with a server that proves to be this host. Raises: OSError."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, trusted, server_hostname=host)

    async def make(self, exchange: Exchange) -> None:
        """Send the request, once, and wait until its reply is whole. Raises: httpx.TransportError."""
        if self._transport is None:
            raise httpx.ReadError("the connection has ended")
        loop = asyncio.get_running_loop()
        self._exchange, self._whole = exchange, loop.create_future()
        try:
            self._transport.write(exchange.written)
            await self._whole
        finally:
            self._exchange = self._whole = None
            self.used_s = loop.time()

    def is_silent(self) -> bool:
        """Tell whether it is open, and nothing has come that nobody asked for: the end, mostly.

        The socket is asked too: a process that was frozen has not heard yet.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _receive(self, data: bytes) -> None:
        if self._exchange is None or self._whole is None or self._whole.done():
            return
        try:
            if self._exchange.receive(data):
                self._whole.set_result(None)
        except h11.RemoteProtocolError as fault:
            self._fail(httpx.RemoteProtocolError(str(fault)))

    def _fail(self, fault: httpx.TransportError) -> None:
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(fault)
