"""How does one request travel, and its reply? Straight through a socket that never blocks.

asyncio's own TLS reads what has come into a buffer, from there into OpenSSL's memory, and copies out of that: half as
much again of the processor for a reply. Here OpenSSL reads from the socket itself.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from typing import TYPE_CHECKING

from embedge.adapters.aws_reply import Broken, RawReply, Silent, Unreadable, read_head
from embedge.adapters.reply_room import ReplyRoom

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ_TIMEOUT_S = 3.0  # between two pieces of a reply
_MOST_HEAD_BYTES = 16_384
# As many as a record of TLS has at most: one call returns it whole, and none stays where no selector sees it.
_RECORD_BYTES = 16_384
# Of a long reply, so much is waited for at a time. Woken for every 4 KB that a network of 75 MB/s brings, 820 KB took
# three times as much of the processor.
_PORTION_BYTES = 65_536
_HELD_BYTES = 2 * _RECORD_BYTES  # more than OpenSSL has of a record that is not whole
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError)


class Connection:
    """One connection, and the exchange on it."""

    def __init__(self, opened: socket.socket) -> None:
        """Take a socket that is connected, and does not block."""
        self._loop = asyncio.get_running_loop()
        self._socket = opened
        self._open = True
        self._reply: asyncio.Future[RawReply] | None = None
        self._unsent = memoryview(b"")
        self._begun = b""  # of a head
        self._head: tuple[int, Mapping[str, str]] | None = None
        self._body = memoryview(b"")  # its room, and a record's more
        self._size = 0  # of what has come of it
        self._room = ReplyRoom()
        self._wakes_at = 1  # bytes that lie there
        self._watch: asyncio.TimerHandle | None = None
        self.heard_s = self._loop.time()
        self._asked = select.poll()
        self._asked.register(opened, select.POLLIN)
        self._loop.add_reader(opened.fileno(), self._hear)

    async def exchange(self, request: bytes) -> RawReply:
        """Send a request, once, and return its reply. Raises: Broken."""
        self._reply = self._loop.create_future()
        self._unsent, self._begun, self._head = memoryview(request), b"", None
        self.heard_s = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_at(self.heard_s + _READ_TIMEOUT_S, self._look)
        self._say()
        try:
            return await self._reply
        finally:
            self._reply = None

    def is_open(self) -> bool:
        """Tell whether it may be used again, as far as has been heard."""
        return self._open

    def is_silent(self) -> bool:
        """Tell whether it is open, and nothing has come that nobody asked for: the end, mostly.

        The socket itself is asked: a process that was frozen has not heard yet.
        """
        if self._open and self._asked.poll(0):
            self._hear_unasked()
        return self._open

    def close(self) -> None:
        """End it at once."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        if self._watch is not None:
            self._watch.cancel()

    def _say(self) -> None:
        """Send what can be sent. What TLS could not send has to be given to it once more, whole."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._loop.add_writer(self._socket.fileno(), self._go_on)
        except ssl.SSLWantReadError:
            pass  # `_hear` goes on
        except OSError as ended:
            self._fail(Broken(ended))

    def _go_on(self) -> None:
        """Do what could not be done before the socket took more."""
        self._loop.remove_writer(self._socket.fileno())
        self._hear()

    def _hear(self) -> None:
        """Read what has come."""
        if self._unsent:
            self._say()
        if self._reply is None or self._reply.done():
            self._hear_unasked()
            return
        try:
            self._reply.set_result(self._read())
        except _NOT_YET:
            self._wait_for_more()
        except ssl.SSLWantWriteError:  # TLS has to say something itself first
            self._loop.add_writer(self._socket.fileno(), self._go_on)
        except OSError as ended:
            self._fail(Broken(ended))
        except Broken as fault:
            self._fail(fault)

    def _hear_unasked(self) -> None:
        """End it, unless all that came is TLS's own: a ticket, or another key."""
        try:
            self._socket.recv(1)
        except _NOT_YET:
            return
        except OSError:
            pass
        self.close()

    def _read(self) -> RawReply:
        """Return the reply, once it is whole. Raises: Broken; OSError, also where more has to come."""
        while self._head is None:
            self._read_head()
        status, headers = self._head
        length = len(self._body) - _RECORD_BYTES
        self._read_body(length)
        if self._size > length:
            raise Unreadable
        self._wake_at(1)
        if self._unsent or headers.get("connection", "keep-alive").lower() != "keep-alive":
            self.close()
        body, self._body = self._body[:length], memoryview(b"")
        return RawReply(status, headers, body if length > _RECORD_BYTES else bytes(body))

    def _read_head(self) -> None:
        self._begun += self._received()
        end = self._begun.find(b"\r\n\r\n")
        if end >= 0:
            self._head = read_head(self._begun[:end])
            if self._head is not None:
                self._begin_body(int(self._head[1]["content-length"]), self._begun[end + 4 :])
        if self._head is None and (end >= 0 or len(self._begun) >= _MOST_HEAD_BYTES):
            raise Unreadable

    def _begin_body(self, length: int, piece: bytes) -> None:
        self._body = self._room.of(length + _RECORD_BYTES)
        self._size = len(piece)
        self._body[: self._size] = piece

    def _read_body(self, length: int) -> None:
        """Read on until it is whole. Raises: Broken where the end comes before; OSError where more has to come."""
        body, size, heard = self._body, self._size, self._size
        try:
            while size < length:
                received = self._socket.recv_into(body[size : size + _RECORD_BYTES], _RECORD_BYTES)
                if not received:
                    raise Broken
                size += received
        finally:
            if size > heard:
                self._size, self.heard_s = size, self._loop.time()

    def _received(self) -> bytes:
        """Return what has come next. Raises: Broken where that is the end; OSError where nothing has come."""
        piece = self._socket.recv(_RECORD_BYTES)
        if not piece:
            raise Broken
        self.heard_s = self._loop.time()
        return piece

    def _wait_for_more(self) -> None:
        """Be woken for a portion, where as much is certain to come, else for anything."""
        missing = 0 if self._head is None else len(self._body) - _RECORD_BYTES - self._size
        self._wake_at(_PORTION_BYTES if missing > _PORTION_BYTES + _HELD_BYTES else 1)

    def _wake_at(self, size_bytes: int) -> None:
        if size_bytes != self._wakes_at:
            self._wakes_at = size_bytes
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size_bytes)

    def _look(self) -> None:
        """Give up where nothing has been heard for too long, else look again later."""
        self._watch = None
        if self._reply is not None and not self._reply.done():
            self._hear()  # what is less than a portion has woken nobody
        until_s = self.heard_s + _READ_TIMEOUT_S
        if self._loop.time() >= until_s:
            self._fail(Silent())
        elif self._reply is not None:
            self._watch = self._loop.call_at(until_s, self._look)

    def _fail(self, fault: Broken) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(fault)
