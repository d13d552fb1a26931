"""What does the body of `POST /v1/embeddings` say? Every field, type and limit is checked here, and nothing is mended.

Source: openai-openapi, CreateEmbeddingRequest, read 2026-08.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from embedge.core.request import (
    MAX_BODY_BYTES,
    MAX_INPUTS,
    EmbeddingRequest,
    Encoding,
    Input,
    ServiceTier,
    Text,
    Tokens,
)
from embedge.errors import (
    ArrayTooLong,
    EmptyArray,
    InvalidJson,
    InvalidType,
    InvalidValue,
    ParameterMissing,
    RequestTooLarge,
    UnknownParameter,
    UnsupportedMediaType,
)

_FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user", "service_tier"})
_LARGEST_TOKEN_ID = 2**32 - 1


def read_request(body: bytes, content_type: str) -> EmbeddingRequest:
    """Read and check a body. Raises: InvalidRequest, RequestTooLarge, UnsupportedMediaType."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("The body must be JSON. Send it with the header 'Content-Type: application/json'.")
    if len(body) > MAX_BODY_BYTES:
        raise RequestTooLarge(
            f"The body has more than {MAX_BODY_BYTES} bytes, which is the most that can be taken. Send fewer inputs."
        )
    fields = _object(body)
    for name in fields:
        if name not in _FIELDS:
            shown = name if name.isascii() and name.isprintable() and len(name) <= 64 else "(unprintable)"  # noqa: PLR2004
            raise UnknownParameter(
                f"Unknown parameter: '{shown}'. Known are {', '.join(sorted(_FIELDS))}.", param=shown
            )
    return EmbeddingRequest(
        model=_model(fields),
        inputs=_inputs(fields),
        encoding_format=cast("Encoding", _choice(fields, "encoding_format", ("float", "base64")) or "float"),
        dimensions=_dimensions(fields),
        user=_user(fields),
        service_tier=cast("ServiceTier | None", _choice(fields, "service_tier", ("auto", "default", "flex"))),
    )


def _object(body: bytes) -> Mapping[str, object]:
    try:
        # orjson refuses what is not UTF-8, lone surrogates among it.
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidJson(f"The body could not be read as JSON (near {where}). Send a JSON object.") from error
    if not isinstance(document, dict):
        raise InvalidJson('The body is JSON, but not an object. Send one such as {"model": "...", "input": "..."}.')
    return cast("Mapping[str, object]", document)


def _model(fields: Mapping[str, object]) -> str:
    model = _required(fields, "model")
    if not isinstance(model, str):
        raise InvalidType(f"Invalid type for 'model': expected a string, but got {_kind(model)}.", param="model")
    if not model:
        raise InvalidValue("Invalid value for 'model': it is empty. GET /v1/models lists the models.", param="model")
    return model


def _inputs(fields: Mapping[str, object]) -> tuple[Input, ...]:
    value = _required(fields, "input")
    if isinstance(value, str):
        return (_text(value, "input"),)
    if not isinstance(value, list):
        raise InvalidType(
            f"Invalid type for 'input': expected a string or an array, but got {_kind(value)}.", param="input"
        )
    elements = _within_length(cast("list[object]", value))
    if _is_token(elements[0]):
        return (_tokens(elements, "input"),)
    return tuple(_element(element, f"input[{index}]", elements[0]) for index, element in enumerate(elements))


def _element(element: object, param: str, first: object) -> Input:
    if isinstance(element, str) and isinstance(first, str):
        return _text(element, param)
    if isinstance(element, list) and isinstance(first, list):
        return _tokens(cast("list[object]", element), param)
    expected = "a string" if isinstance(first, str) else "an array of token ids"
    if not isinstance(first, str | list):
        expected = "a string, a token id or an array of token ids"
    got = cast("object", element)
    raise InvalidType(
        f"Invalid type for '{param}': expected {expected}, but got {_kind(got)}. All inputs must be of one kind.",
        param=param,
    )


def _text(value: str, param: str) -> Text:
    if not value:
        raise InvalidValue(f"Invalid value for '{param}': an input cannot be an empty string.", param=param)
    return Text(value)


def _tokens(values: Sequence[object], param: str) -> Tokens:
    if not values:
        raise InvalidValue(f"Invalid value for '{param}': an array of token ids cannot be empty.", param=param)
    if len(values) > MAX_INPUTS and param == "input":
        raise ArrayTooLong(f"'input' has {len(values)} elements, and at most {MAX_INPUTS} can be sent.", param="input")
    for index, token in enumerate(values):
        if not _is_token(token):
            raise InvalidType(
                f"Invalid type for '{param}[{index}]': expected a token id (an integer), but got {_kind(token)}.",
                param=param,
            )
        if not 0 <= cast("int", token) <= _LARGEST_TOKEN_ID:
            raise InvalidValue(f"Invalid value for '{param}[{index}]': no token has such an id.", param=param)
    return Tokens(tuple(cast("Sequence[int]", values)))


def _within_length(elements: list[object]) -> list[object]:
    if not elements:
        raise EmptyArray("Invalid 'input': an empty array. Send at least one input.", param="input")
    if len(elements) > MAX_INPUTS:
        raise ArrayTooLong(
            f"Invalid 'input': an array of {len(elements)} elements, and at most {MAX_INPUTS} can be sent at once.",
            param="input",
        )
    return elements


def _dimensions(fields: Mapping[str, object]) -> int | None:
    value = fields.get("dimensions")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidType(
            f"Invalid type for 'dimensions': expected an integer, but got {_kind(value)}.", param="dimensions"
        )
    if value < 1:
        raise InvalidValue("Invalid value for 'dimensions': it must be at least 1.", param="dimensions")
    return value


def _user(fields: Mapping[str, object]) -> str | None:
    value = fields.get("user")
    if value is not None and not isinstance(value, str):
        raise InvalidType(f"Invalid type for 'user': expected a string, but got {_kind(value)}.", param="user")
    return value


def _choice(fields: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidType(f"Invalid type for '{name}': expected a string, but got {_kind(value)}.", param=name)
    if value not in choices:
        raise InvalidValue(f"Invalid value for '{name}': it must be one of {', '.join(choices)}.", param=name)
    return value


def _required(fields: Mapping[str, object], name: str) -> object:
    if fields.get(name) is None:
        raise ParameterMissing(f"Missing required parameter: '{name}'.", param=name)
    return fields[name]


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
