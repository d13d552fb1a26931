"""How does an answer go out over ASGI? A start with its headers, then its body."""

from collections.abc import Mapping

from starlette.types import Send

from embedge.api.answer import JSON


async def send_answer(status: int, headers: Mapping[str, str], body: bytes, send: Send) -> None:
    """Send an answer of JSON; what all answers say beside it the envelope adds."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    encoded += [(b"content-length", b"%d" % len(body)), (b"content-type", JSON.encode())]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
