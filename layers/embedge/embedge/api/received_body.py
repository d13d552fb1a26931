"""What does a body that has come hold? Inflated to the limit of what is taken, once it is known who sent it."""

import zlib
from typing import NamedTuple

from embedge.core.request import MAX_BODY_BYTES
from embedge.errors import InvalidJson, RequestTooLarge, UnsupportedMediaType

_GZIP = zlib.MAX_WBITS + 16  # zlib's way to say: with gzip's header and checksum
_GZIP_START = b"\x1f\x8b"
_GZIP_NAMES = ("gzip", "x-gzip")
_PLAIN_NAMES = ("", "identity")
# What follows a gzip member is copied each time one ends, so a body of many small ones is fed in small pieces.
_PIECE_BYTES = 4096


class ReceivedBody(NamedTuple):
    """A body as it came, and what its headers say of it. `content` is None where it was over the limit."""

    content: bytes | None
    content_type: str
    content_encoding: str


def behind_gateway(content: bytes, encoding: str) -> str:
    """Return how a body is encoded: API Gateway inflates it, and leaves the header that says so.

    Source: https://github.com/dougmoscrop/serverless-http/issues/194
    """
    return encoding if content.startswith(_GZIP_START) else ""


def json_text(body: ReceivedBody) -> bytes:
    """Return the JSON that a body is said to be. Raises: UnsupportedMediaType, RequestTooLarge, InvalidJson."""
    _require_json(body.content_type)
    if body.content_encoding in _PLAIN_NAMES and body.content is not None:
        return body.content
    if body.content_encoding not in _PLAIN_NAMES + _GZIP_NAMES:
        raise UnsupportedMediaType(
            "The body's Content-Encoding cannot be read. Send 'Content-Encoding: gzip', or send the body as it is."
        )
    if body.content is None:
        raise _too_large("The body")
    return inflate(body.content) if body.content_encoding in _GZIP_NAMES else body.content


def inflate(content: bytes) -> bytes:
    """Return what gzip holds, member after member; no byte past the limit is ever inflated.

    Raises: RequestTooLarge; InvalidJson where it is broken, cut off, or followed by something else.
    """
    inflated = bytearray()
    member = zlib.decompressobj(_GZIP)
    for start in range(0, len(content), _PIECE_BYTES):
        piece = content[start : start + _PIECE_BYTES]
        while piece:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            try:
                inflated += member.decompress(piece, MAX_BODY_BYTES + 1 - len(inflated))
            except zlib.error as error:
                raise _broken() from error
            if len(inflated) > MAX_BODY_BYTES:
                raise _too_large("The inflated body")
            piece = member.unused_data
    if not member.eof:
        raise _broken()
    return bytes(inflated)


def _require_json(content_type: str) -> None:
    if content_type == "application/json":
        return
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "application/json":
        raise UnsupportedMediaType("The body must be JSON. Send it with the header 'Content-Type: application/json'.")
    charsets = [value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    if not set(charsets) <= {"utf-8", "utf8"}:
        raise UnsupportedMediaType(
            "The body's charset cannot be read: JSON is UTF-8. Send UTF-8, and 'Content-Type: application/json'."
        )


def _too_large(what: str) -> RequestTooLarge:
    return RequestTooLarge(
        f"{what} has more than {MAX_BODY_BYTES} bytes, which is the most that can be taken. Send fewer inputs."
    )


def _broken() -> InvalidJson:
    return InvalidJson(
        "The body is declared as gzip, and its gzip is broken or cut off. Compress it again, "
        "or send it as it is, without 'Content-Encoding'."
    )
