"""How is a POST written in HTTP/1.1, and when is its reply whole? h11 decides, and only long bodies go past it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_HEAD_BYTES = 100 * 1024
_WITHOUT_BODY = frozenset({204, 304})


class Exchange:
    """One request, `written`, and its reply: `status`, `headers` in lower case, and the `parts` of its body."""

    def __init__(self, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes, most_bytes: int) -> None:
        """Write the request; the reply's body has at most so many bytes. Raises: h11.LocalProtocolError."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
        events = (h11.Request(method="POST", target=target, headers=list(headers)), h11.Data(body), h11.EndOfMessage())
        self.written = b"".join(self._http.send(event) or b"" for event in events)
        self.status = 0
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        self.parts: list[bytes] = []
        self._most_bytes = most_bytes
        self._size_bytes = 0
        self._length_bytes: int | None = None

    def receive(self, data: bytes) -> bool:
        """Take what has come, nothing being the end of the connection; tell whether the reply is whole.

        Raises: h11.RemoteProtocolError where it never will be, or is too long.
        """
        if self._length_bytes is None:
            return self._read(data)
        if not data:
            raise h11.RemoteProtocolError("the connection ended before the body did")
        return self._count(data, self._length_bytes)

    def leaves_open(self) -> bool:
        """Tell whether another request may follow a whole reply on its connection."""
        if self._length_bytes is not None:
            return self._http.our_state is h11.DONE and self._size_bytes == self._length_bytes
        return self._http.our_state is self._http.their_state is h11.DONE and not self._http.trailing_data[0]

    def _read(self, data: bytes) -> bool:
        self._http.receive_data(data)
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                self.status, self.headers = event.status_code, list(event.headers)
                length = _length_of(event)
                if length is not None:  # h11 would copy every piece of the body several times
                    self._length_bytes = self._within_bounds(length)
                    return self._count(self._http.trailing_data[0], length)
            elif isinstance(event, h11.Data):
                self._size_bytes = self._within_bounds(self._size_bytes + len(event.data))
                self.parts.append(bytes(event.data))
            elif not isinstance(event, h11.InformationalResponse):
                return isinstance(event, h11.EndOfMessage)

    def _count(self, data: bytes, length_bytes: int) -> bool:
        """Take what belongs to the body; what comes after it only keeps the connection from being used again."""
        self.parts.append(data[: length_bytes - self._size_bytes])
        self._size_bytes += len(data)
        return self._size_bytes >= length_bytes

    def _within_bounds(self, size_bytes: int) -> int:
        if size_bytes > self._most_bytes:
            raise h11.RemoteProtocolError("the body is too long")
        return size_bytes


def _length_of(head: h11.Response) -> int | None:
    """Return the length of a body that says it, as h11 has checked it, and that is not sent in chunks."""
    headers = dict(head.headers)
    length = headers.get(b"content-length")
    if length is None or b"transfer-encoding" in headers or head.status_code in _WITHOUT_BODY:
        return None
    return int(length)
