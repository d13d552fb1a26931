"""What does a client see whose HTTP itself cannot be read? An error in the shape of all others, not a line of text."""

from uuid import uuid4

import h11
import orjson
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_MESSAGE = (
    "This is not HTTP that can be read: a request line, a header (all of them may have 64 KB), a Content-Length or a "
    "chunk of the body is malformed. Send the request anew, with a client that speaks HTTP/1.1."
)
_BODY = orjson.dumps({"error": {"message": _MESSAGE, "type": "invalid_request_error", "param": None, "code": None}})
# A client that still sends after it was answered is listened to for so long, so that it sees the answer.
_DISCARDED_BYTES = 32 * 1024 * 1024


class JsonErrorsProtocol(H11Protocol):
    """Uvicorn's protocol over h11, but for what it says of malformed requests, and for how long it hears out others."""

    _discarded_bytes = 0

    @override
    def data_received(self, data: bytes) -> None:
        if self._still_sending():
            self._discarded_bytes += len(data)
            if self._discarded_bytes > _DISCARDED_BYTES:
                self.transport.close()
                return
        super().data_received(data)

    @override
    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None:  # pyright: ignore[reportUnnecessaryComparison] (it is None before the first request)
            self._end_cycle()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(_BODY))),
                ("connection", "close"),
                ("x-request-id", f"req_{uuid4().hex}"),
                ("openai-processing-ms", "0"),
                ("cache-control", "private, no-store"),
            ]
            answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (answer, h11.Data(data=_BODY), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._discarded_bytes = 0
        # Who asked whether to send the body, and was answered instead, does not send it: nothing else can follow.
        if self._still_sending() and any(name == b"expect" for name, _ in self.headers):
            self.transport.close()

    def _still_sending(self) -> bool:
        """Tell whether a request has been answered before it was wholly received."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _end_cycle(self) -> None:
        """Tell whoever is reading this request that no more of it will come."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
