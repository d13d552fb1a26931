"""What does the body of `POST /v1/embeddings` say? Every field, type and limit is checked here, and nothing is mended.

Source: openai-openapi, CreateEmbeddingRequest, read 2026-08.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from embedge.api.json_object import read_object
from embedge.core.request import (
    LARGEST_TOKEN_ID,
    MAX_INPUTS,
    EmbeddingRequest,
    Encoding,
    Input,
    ServiceTier,
    Tokens,
)
from embedge.errors import (
    ArrayTooLong,
    EmptyArray,
    InvalidType,
    InvalidValue,
    ParameterMissing,
    UnknownParameter,
)

_FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user", "service_tier"})
_LONGEST_SHOWN = 64
# How JSON's values are called in messages.
_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number with a fraction or an exponent, or beyond 64 bits",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def read_request(body: bytes) -> EmbeddingRequest:
    """Read and check a body of JSON. Raises: InvalidRequest."""
    fields = read_object(body, _FIELDS)
    for name in fields:
        if name not in _FIELDS:
            shown = _shown(name)
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


def _shown(name: str) -> str:
    """Return a name as it can be shown: not too long, and in visible ASCII."""
    whole = len(name) <= _LONGEST_SHOWN
    return name[:_LONGEST_SHOWN].encode("unicode_escape").decode() + ("" if whole else "...")


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
    if all(elements) and set(map(type, elements)) == {str}:  # as mostly; else each is looked at
        return tuple(cast("list[str]", elements))
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


def _text(value: str, param: str) -> str:
    if not value:
        raise InvalidValue(f"Invalid value for '{param}': an input cannot be an empty string.", param=param)
    return value


def _tokens(values: Sequence[object], param: str) -> Tokens:
    if not values:
        raise InvalidValue(f"Invalid value for '{param}': an array of token ids cannot be empty.", param=param)
    if len(values) > MAX_INPUTS and param == "input":
        raise ArrayTooLong(f"'input' has {len(values)} elements, and at most {MAX_INPUTS} can be sent.", param="input")
    if not _are_tokens(values):
        _refuse_tokens(values, param)
    return Tokens(tuple(cast("Sequence[int]", values)))


def _are_tokens(values: Sequence[object]) -> bool:
    if not set(map(type, values)) <= {int}:  # whose type is `int` and no subclass of it: booleans are none
        return False
    ids = cast("Sequence[int]", values)
    return min(ids) >= 0 and max(ids) <= LARGEST_TOKEN_ID


def _refuse_tokens(values: Sequence[object], param: str) -> None:
    """Raise for the first that is no token id."""
    index, token = next(
        (at, value) for at, value in enumerate(values) if not (type(value) is int and 0 <= value <= LARGEST_TOKEN_ID)
    )
    if _is_token(token):
        raise InvalidValue(f"Invalid value for '{param}[{index}]': no token has such an id.", param=param)
    raise InvalidType(
        f"Invalid type for '{param}[{index}]': expected a token id (an integer), but got {_kind(token)}.",
        param=param,
    )


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
    return _KINDS[type(value)]
