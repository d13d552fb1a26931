"""How does an answer go back to Lambda? From where its pieces lie, a thousand of them in one call of the system.

The runtime client would have it joined, copy it twice more, and have libcurl send 64 KB at a time: a tenth of what a
hundred hits take. Both post the same to the same documented interface
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, read 2026-12). Whatever does not go as usual here is
left to the client, which posts the answer once more, and knows what to make of a refusal.
"""

import re
import select
import socket
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from embedge.api.answer import JSON, JsonPieces, Part

_MOST_AT_ONCE = 1024  # pieces: Linux's IOV_MAX
_LONGEST_S = 10  # in which nothing goes, or nothing comes
_TOLD = (2, 3, 4)  # the id of a request, its answer, the answer's type, and the id of an invocation
_END = b"\r\n\r\n"
_ACCEPTED = re.compile(rb"HTTP/1\.[01] 2[0-9][0-9][ \r]")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,6})\r\n", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class RuntimeApi:
    """Lambda's Runtime API, over one connection that is kept; for one thread."""

    def __init__(self, address: str) -> None:
        """Take its host and port."""
        self._address = address
        self._connection: socket.socket | None = None
        self._heard = select.poll()

    def post(self, invoke_id: str, answer: JsonPieces, invocation_id: str | None = None) -> bool:
        """Post the answer to an invocation; tell whether that was accepted, as far as is known."""
        further = f"Lambda-Runtime-Invocation-Id: {invocation_id}\r\n" if invocation_id else ""
        size_bytes = sum(map(len, answer.pieces))
        head = (
            f"POST /2018-06-01/runtime/invocation/{invoke_id}/response HTTP/1.1\r\nHost: {self._address}\r\n"
            f"Content-Type: {JSON}\r\n{further}Content-Length: {size_bytes}\r\n\r\n"
        )
        try:
            connection = self._connected()
            _send(connection, [head.encode(), *answer.pieces])
            return self._is_accepted(connection)
        except (OSError, ValueError):  # the latter for an address that is none
            self.close()
            return False
        except BaseException:  # half of an answer, or of a reply, is nothing to go on with
            self.close()
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._heard.unregister(self._connection)
            self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        """Return the connection: a new one where there is none, or it has ended, or says what nobody asked for."""
        if self._connection is not None and self._heard.poll(0):
            self.close()
        if self._connection is None:
            host, _, port = self._address.rpartition(":")
            made = self._connection = socket.create_connection((host.strip("[]"), int(port)), _LONGEST_S)
            self._heard.register(made, select.POLLIN)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(True)  # so that one call sends all; the limits are the system's
            for limit in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                made.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", _LONGEST_S, 0))
        return self._connection

    def _is_accepted(self, connection: socket.socket) -> bool:
        """Read the reply to its end, or end the connection. Raises: OSError."""
        reply = b""
        while (end := reply.find(_END)) < 0:
            reply += _received(connection)
        end += len(_END)
        length = _LENGTH.search(reply, 0, end)
        if length is None or _CLOSES.search(reply, 0, end) or not reply.startswith(b"HTTP/1.1 "):
            self.close()
        else:
            left = end + int(length[1]) - len(reply)
            while left > 0:
                left -= len(_received(connection))
            if left:
                self.close()
        return _ACCEPTED.match(reply) is not None


def _send(connection: socket.socket, pieces: Sequence[Part]) -> None:
    """Send all of it. Raises: OSError."""
    for start in range(0, len(pieces), _MOST_AT_ONCE):
        several = pieces[start : start + _MOST_AT_ONCE]
        sent, size_bytes = connection.sendmsg(several), sum(map(len, several))
        if sent < size_bytes:  # a signal came in between
            connection.sendall(memoryview(b"".join(several))[sent:])


def _received(connection: socket.socket) -> bytes:
    """Return what comes next. Raises: OSError, also where that is the end."""
    piece = connection.recv(4096)
    if not piece:
        raise ConnectionError
    return piece


def post_in_pieces() -> bool:
    """Have the runtime client post so what it is given in pieces, and tell whether it is one that can."""
    try:
        client: Any = import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
        plain: Callable[..., object] = client.post_invocation_result
    except (ImportError, AttributeError):
        return False
    api = lru_cache(maxsize=1)(RuntimeApi)  # a process has one address

    # Lambda replaces the client without asking: one that is told more, or in another way, gets the answer whole.
    def post(self: Any, *told: Any, **named: Any) -> object:  # noqa: ANN401 (their client)
        if len(told) in _TOLD and not named and isinstance(told[1], JsonPieces):
            address: object = getattr(self, "lambda_runtime_address", None)
            if isinstance(address, str) and api(address).post(told[0], told[1], *told[3:]):
                return None
        return plain(self, *map(_whole, told), **{name: _whole(one) for name, one in named.items()})

    client.post_invocation_result = post
    return True


def _whole(told: object) -> object:
    return told.joined() if isinstance(told, JsonPieces) else told
