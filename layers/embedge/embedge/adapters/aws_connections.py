"""How do requests travel to DynamoDB without an HTTP library? Over connections that are kept, one request at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embedge.adapters.aws_connection import Connection
from embedge.adapters.aws_opening import open_socket
from embedge.adapters.aws_reply import NotConnected, NotConnectedInTime, RawReply

if TYPE_CHECKING:
    import ssl

_MOST_CONNECTIONS = 50
_CONNECT_TIMEOUT_S = 1.0
# As long as aiohttp keeps one: what is idle for longer, a server may be closing just now.
_IDLE_S = 12.0


class Connections:
    """Connections to one server, made when they are needed."""

    def __init__(self, url: str, trusted: ssl.SSLContext | None) -> None:
        """Take where the server is, and whom to trust; a URL of http needs nobody."""
        self.url = url
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._trusted = trusted
        self._idle: deque[Connection] = deque()  # used longest ago first
        self._places = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def exchange(self, request: bytes) -> RawReply:
        """Send a request, once, and return its reply. Raises: NotConnected, Broken."""
        await self._places.acquire()
        try:
            connection = self._kept() or await self._connected()
            try:
                reply = await connection.exchange(request)
            except BaseException:
                connection.close()
                raise
            if connection.is_open():
                self._idle.append(connection)
            return reply
        finally:
            self._places.release()

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        """Return the one that was used last, if any may still be open."""
        oldest_s = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle and self._idle[0].heard_s <= oldest_s:  # each has the room of a long reply, too
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_silent():
                return connection
            connection.close()
        return None

    async def _connected(self) -> Connection:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                return Connection(await open_socket(self._host, self._port, self._trusted))
        except TimeoutError as late:
            raise NotConnectedInTime from late
        except (OSError, ValueError) as fault:
            raise NotConnected from fault
