"""How are events and answers read and written for Lambda? By orjson, in the place of its runtime client's own way.

The client's marshaller is an attribute of a class, documented as what decides this. simplejson takes 15 ms and more for
an answer of 6 MB. What orjson does not take, the client's own way is asked for; where the client is another than is
known, it is left alone.
"""

from importlib import import_module
from typing import Any, Protocol, cast

import orjson

_JSON = "application/json"


class Marshaller(Protocol):
    """What the runtime client has for this."""

    def unmarshal_request(self, request: bytes, content_type: str = _JSON) -> object:
        """Return the event."""
        ...

    def marshal_response(self, response: object) -> tuple[str | bytes, str]:
        """Return what a handler returned, as it is sent, and its type."""
        ...


class OrjsonMarshaller:
    """The same, by orjson. Bytes are an answer that is JSON already."""

    def __init__(self, plain: Marshaller) -> None:
        """Take the client's own."""
        self._plain = plain

    def unmarshal_request(self, request: bytes, content_type: str = _JSON) -> object:
        """Return the event."""
        try:
            return orjson.loads(request)
        except ValueError:
            return self._plain.unmarshal_request(request, content_type)

    def marshal_response(self, response: object) -> tuple[str | bytes, str]:
        """Return what a handler returned, as it is sent, and its type."""
        if isinstance(response, bytes):
            return response, _JSON
        try:
            return orjson.dumps(response), _JSON
        except TypeError:
            return self._plain.marshal_response(response)


def speed_up_runtime_client() -> bool:
    """Put it in the client's place, and tell whether that was done: only then may a handler return bytes."""
    try:
        client: Any = import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
        plain = client.marshaller
    except (ImportError, AttributeError):
        return False
    if not all(callable(getattr(plain, name, None)) for name in ("unmarshal_request", "marshal_response")):
        return False
    client.marshaller = OrjsonMarshaller(cast("Marshaller", plain))
    return True
