"""How does a request come in over ASGI? Its headers by name, and its body, read to a limit whoever sends it."""

from collections.abc import Mapping

from starlette.types import Receive, Scope

from embedge.api.received_body import ReceivedBody, behind_gateway
from embedge.core.request import MAX_BODY_BYTES

# A body over the limit is still read this far, so that its sender sees the answer instead of a broken connection.
_DRAINED_BYTES = 8 * MAX_BODY_BYTES
_ENCODING = b"content-encoding"


class ClientLeft(Exception):
    """The client went away before all of its body had come."""


def read_headers(scope: Scope) -> Mapping[str, str]:
    """Return the headers by their names in lower case; of several with one name the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


async def receive_body(scope: Scope, headers: Mapping[str, str], receive: Receive) -> ReceivedBody:
    """Take a body in. Nothing in it is looked at. Raises: ClientLeft."""
    content = await _content(headers, receive)
    encoding = ""
    if "content-encoding" in headers:
        said = [value.decode("latin-1") for name, value in scope["headers"] if name == _ENCODING]
        encoding = ",".join(said).strip().lower()
    if "aws.event" in scope:
        encoding = behind_gateway(content or b"", encoding)
    return ReceivedBody(content, headers.get("content-type", ""), encoding)


async def _content(headers: Mapping[str, str], receive: Receive) -> bytes | None:
    """Return the body; None of one that is over the limit, read as far as it takes for its sender to see an answer."""
    waits = headers.get("expect", "").lower() == "100-continue"  # it is sent only once we begin to read
    if _declared_bytes(headers) > (MAX_BODY_BYTES if waits else _DRAINED_BYTES):
        return None
    kept = bytearray()
    seen = 0
    more = True
    while more and seen <= _DRAINED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        more, piece = message.get("more_body", False), message.get("body", b"")
        seen += len(piece)
        if not more and seen == len(piece) <= MAX_BODY_BYTES:
            return piece  # all at once, as nearly all come
        if seen <= MAX_BODY_BYTES:
            kept += piece
        else:
            kept.clear()
    return bytes(kept) if seen <= MAX_BODY_BYTES else None


def _declared_bytes(headers: Mapping[str, str]) -> int:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() and len(declared) < 20 else 0  # noqa: PLR2004
