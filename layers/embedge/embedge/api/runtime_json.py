"""How are events and answers read and written for Lambda? By orjson, in the place of its runtime client's own way.

The client's marshaller is an attribute of a class, documented as what decides this. simplejson takes 15 ms and more for
an answer of 6 MB. What orjson does not take, the client's own way is asked for; where the client is another than is
known, it is left alone.
"""

from importlib import import_module
from typing import Any, Protocol, cast

import orjson

from embedge.api.answer import JSON, JsonPieces
from embedge.api.runtime_post import post_in_pieces


class Marshaller(Protocol):
    """What the runtime client has for this."""

    def unmarshal_request(self, request: bytes, content_type: str = JSON) -> object:
        """Return the event."""
        ...

    def marshal_response(self, response: object) -> tuple[str | bytes | JsonPieces, str]:
        """Return what a handler returned, as it is sent, and its type."""
        ...


class OrjsonMarshaller:
    """The same, by orjson. What comes in pieces is JSON already."""

    def __init__(self, plain: Marshaller, *, in_pieces: bool = False) -> None:
        """Take the client's own, and whether it takes pieces."""
        self._plain = plain
        self._in_pieces = in_pieces

    def unmarshal_request(self, request: bytes, content_type: str = JSON) -> object:
        """Return the event."""
        try:
            return orjson.loads(request)
        except ValueError:
            return self._plain.unmarshal_request(request, content_type)

    def marshal_response(self, response: object) -> tuple[str | bytes | JsonPieces, str]:
        """Return what a handler returned, as it is sent, and its type."""
        if isinstance(response, JsonPieces):
            return response if self._in_pieces else response.joined(), JSON
        try:
            return orjson.dumps(response), JSON
        except TypeError:
            return self._plain.marshal_response(response)


def speed_up_runtime_client() -> bool:
    """Put it in the client's place, and tell whether that was done: only then may a handler return JSON in pieces."""
    try:
        client: Any = import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
        plain = client.marshaller
    except (ImportError, AttributeError):
        return False
    if not all(callable(getattr(plain, name, None)) for name in ("unmarshal_request", "marshal_response")):
        return False
    client.marshaller = OrjsonMarshaller(cast("Marshaller", plain), in_pieces=post_in_pieces())
    return True
