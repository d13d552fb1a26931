"""How is a connection served on this machine? Plain requests at a glance, all others by h11.

Until a plain request is answered, h11 sees nothing of the connection: it is as new to it then as it was before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

import h11
from typing_extensions import override
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, RequestResponseCycle

from infra.local.http_errors import JsonErrorsProtocol
from infra.local.plain_requests import PlainRequest, read_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn._types import ASGISendEvent, HTTPScope

_NOTHING = (b"", False)
# An answer up to this is one write with its head; a larger one would be copied for it.
_COPIED_BYTES = 65_536


class PlainProtocol(JsonErrorsProtocol):
    """Uvicorn's protocol, but for plain requests."""

    _plain: _PlainCycle | None = None
    _to_come = 0  # bytes of the plain request's body
    _held = b""  # what came behind a plain request that is not yet answered

    @override
    def data_received(self, data: bytes) -> None:
        if self._to_come:
            data = self._body(data)
        if not data:
            return
        if self._plain is not None:
            self._held += data
            self.flow.pause_reading()
            return
        request = read_plain(data) if self._is_new_to_h11() else None
        if request is None:
            super().data_received(data)
        else:
            self._begin(request)

    def _is_new_to_h11(self) -> bool:
        return self.conn.our_state is self.conn.their_state is h11.IDLE and self.conn.trailing_data == _NOTHING

    def _begin(self, request: PlainRequest) -> None:
        self._unset_keepalive_if_required()
        self._plain = self.cycle = self._cycle(request)
        app = self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        task = self.loop.create_task(self._plain.run_asgi(app))  # pyright: ignore[reportArgumentType]
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._to_come = request.length
        if rest := self._body(request.rest):
            self.data_received(rest)

    def _cycle(self, request: PlainRequest) -> _PlainCycle:
        path, _, query = request.target.partition(b"?")
        scope: HTTPScope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": "POST",
            "root_path": self.root_path,
            "path": self.root_path + unquote(path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + path,
            "query_string": query,
            "headers": request.headers,
            "state": self.app_state.copy(),
        }
        return _PlainCycle(
            scope=scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self._on_plain_response,
        )

    def _body(self, data: bytes) -> bytes:
        """Give the request what is of its body, also nothing where there is none; return what is not."""
        piece, rest = data[: self._to_come], data[self._to_come :]
        self._to_come -= len(piece)
        if self._plain is not None:
            self._plain.more_body = self._to_come > 0
            self._plain.body += piece
            self._plain.message_event.set()
        return rest

    def _on_plain_response(self) -> None:
        self._plain = None
        self.on_response_complete()
        held, self._held = self._held, b""
        if held and not self.transport.is_closing():
            self.data_received(held)


class _PlainCycle(RequestResponseCycle):
    """Uvicorn's, but for how an answer is written: at once, when the last of it is there."""

    _started: tuple[int, Sequence[tuple[bytes, bytes]]] = (0, ())
    _answer = b""

    @override
    async def send_500_response(self) -> None:
        self.transport.close()  # what answers for faults has failed itself

    @override
    async def send(self, message: ASGISendEvent) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_complete:
            raise RuntimeError("This request has been answered.")
        if message["type"] == "http.response.start":
            self.response_started = True
            self._started = message["status"], [*self.default_headers, *message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self._answer += message.get("body", b"")
            if not message.get("more_body", False):
                self._end()

    def _end(self) -> None:
        status, headers = self._started
        body = self._answer
        head = _head(status, headers, len(body))
        if len(body) <= _COPIED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        self.response_complete = True
        self.message_event.set()
        if CLOSE_HEADER in headers or not self.keep_alive:
            self.transport.close()
        self.on_response()


def _head(status: int, headers: Sequence[tuple[bytes, bytes]], length: int) -> bytes:
    """Return the head of an answer. Raises: RuntimeError where a header is none, or is another length."""
    lines = [b"HTTP/1.1 %d %b" % (status, STATUS_PHRASES[status]), *map(b": ".join, headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or b"\0" in head:
        raise RuntimeError("A header of the answer is none.")
    said = [value for name, value in headers if name == b"content-length"]
    if said != [b"%d" % length]:
        raise RuntimeError("The answer has not the length that it is said to have.")
    return head + b"\r\n\r\n"
