"""What does a body mean? A request, or an error that names the field and says what to change; never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.api.error_table import TABLE
from embedge.api.request_body import read_request
from embedge.core.request import EmbeddingRequest, Input, Tokens
from embedge.errors import EmbedgeError, UnknownParameter

FIELDS = ("dimensions", "encoding_format", "input", "model", "service_tier", "user")


def read(**fields: object) -> EmbeddingRequest:
    return read_request(json.dumps({"model": "m", "input": "a", **fields}).encode())


def refusal(**fields: object) -> tuple[str | None, str | None, str]:
    """Return a refusal's param, code and message."""
    with pytest.raises(EmbedgeError) as refused:
        read(**fields)
    assert TABLE[type(refused.value)].status == 400
    return refused.value.param, TABLE[type(refused.value)].code, refused.value.message


FORMS: list[tuple[object, tuple[Input, ...]]] = [
    ("a", ("a",)),
    (["a"], ("a",)),
    (["a", " ", "a", "\0"], ("a", " ", "a", "\0")),
    ([5], (Tokens((5,)),)),
    ([0, 2**32 - 1, 5], (Tokens((0, 2**32 - 1, 5)),)),
    ([[5], [6, 7], [5]], (Tokens((5,)), Tokens((6, 7)), Tokens((5,)))),
    (["a"] * 2048, ("a",) * 2048),
    (list(range(2048)), (Tokens(tuple(range(2048))),)),
    ([[1]] * 2048, (Tokens((1,)),) * 2048),
    ([list(range(8192))], (Tokens(tuple(range(8192))),)),
]


@pytest.mark.parametrize(("value", "inputs"), FORMS, ids=range(len(FORMS)))
def test_all_four_forms_of_input_are_taken_in_their_order(value: object, inputs: tuple[Input, ...]) -> None:
    assert read(input=value).inputs == inputs


MIXED: list[tuple[object, str, str, str]] = [
    (["a", 1], "input[1]", "invalid_type", "an integer"),
    (["a", ["a"]], "input[1]", "invalid_type", "an array"),
    (["a", None], "input[1]", "invalid_type", "null"),
    (["a", {}], "input[1]", "invalid_type", "an object"),
    (["a", True], "input[1]", "invalid_type", "a boolean"),
    (["a", ""], "input[1]", "invalid_value", "empty string"),
    ([[1], 2], "input[1]", "invalid_type", "an integer"),
    ([[1], "a"], "input[1]", "invalid_type", "a string"),
    ([[1], []], "input[1]", "invalid_value", "cannot be empty"),
    ([[]], "input[0]", "invalid_value", "cannot be empty"),
    ([[1], [2, "a"]], "input[1]", "invalid_type", "'input[1][1]'"),
    ([[1], [2, True]], "input[1]", "invalid_type", "a boolean"),
    ([[1], [2, 3.0]], "input[1]", "invalid_type", "a fraction"),
    ([[[1]]], "input[0]", "invalid_type", "an array"),
    ([[1, -1]], "input[0]", "invalid_value", "no token has such an id"),
    ([[1, 2**32]], "input[0]", "invalid_value", "no token has such an id"),
    ([1, "a"], "input", "invalid_type", "'input[1]'"),
    ([1, [2]], "input", "invalid_type", "an array"),
    ([1, True], "input", "invalid_type", "a boolean"),
    ([1, 2.5], "input", "invalid_type", "a fraction"),
    ([1, None], "input", "invalid_type", "null"),
    ([1, 2**64], "input", "invalid_type", "beyond 64 bits"),
    ([True], "input[0]", "invalid_type", "a boolean"),
    ([1.0], "input[0]", "invalid_type", "a fraction"),
    ([None], "input[0]", "invalid_type", "null"),
    ([{}], "input[0]", "invalid_type", "an object"),
    ([1] * 2049, "input", "array_above_max_length", "2048"),
    (["a"] * 2049, "input", "array_above_max_length", "2048"),
    ([[1]] * 2049, "input", "array_above_max_length", "2048"),
    ([], "input", "empty_array", "at least one"),
    ("", "input", "invalid_value", "empty string"),
    (1.5, "input", "invalid_type", "a fraction"),
    (False, "input", "invalid_type", "a boolean"),
]


@pytest.mark.parametrize(("value", "param", "code", "words"), MIXED)
def test_inputs_that_do_not_go_together_are_refused_by_their_place(
    value: object, param: str, code: str, words: str
) -> None:
    refused = refusal(input=value)
    assert refused[:2] == (param, code)
    assert words in refused[2]


OTHERS: list[tuple[dict[str, object], str, str, str]] = [
    ({"dimensions": 0}, "dimensions", "invalid_value", "at least 1"),
    ({"dimensions": 1.0}, "dimensions", "invalid_type", "an integer"),
    ({"dimensions": 1e300}, "dimensions", "invalid_type", "beyond 64 bits"),
    ({"dimensions": 10**40}, "dimensions", "invalid_type", "beyond 64 bits"),
    ({"dimensions": -(2**63)}, "dimensions", "invalid_value", "at least 1"),
    ({"dimensions": False}, "dimensions", "invalid_type", "a boolean"),
    ({"dimensions": [3]}, "dimensions", "invalid_type", "an array"),
    ({"encoding_format": ""}, "encoding_format", "invalid_value", "float, base64"),
    ({"encoding_format": "FLOAT"}, "encoding_format", "invalid_value", "float, base64"),
    ({"encoding_format": ["float"]}, "encoding_format", "invalid_type", "an array"),
    ({"service_tier": "over-limit"}, "service_tier", "invalid_value", "auto, default, flex"),
    ({"service_tier": {}}, "service_tier", "invalid_type", "an object"),
    ({"user": 1}, "user", "invalid_type", "a string"),
    ({"user": False}, "user", "invalid_type", "a boolean"),
    ({"model": ["m"]}, "model", "invalid_type", "a string"),
    ({"model": ""}, "model", "invalid_value", "GET /v1/models"),
]


@pytest.mark.parametrize(("fields", "param", "code", "words"), OTHERS)
def test_a_field_with_a_wrong_value_is_named_and_what_it_takes_is_said(
    fields: dict[str, object], param: str, code: str, words: str
) -> None:
    refused = refusal(**fields)
    assert refused[:2] == (param, code)
    assert words in refused[2]


def test_minus_nothing_is_nothing_and_nothing_is_too_few() -> None:
    with pytest.raises(EmbedgeError) as refused:
        read_request(b'{"model": "m", "input": "a", "dimensions": -0}')
    assert refused.value.param == "dimensions"


def test_null_is_the_default_of_each_optional_field_and_of_no_other() -> None:
    optional = {"encoding_format": None, "dimensions": None, "user": None, "service_tier": None}
    assert read(**optional) == read()
    for required in ("model", "input"):
        assert refusal(**{required: None})[:2] == (required, "missing_required_parameter")


UNKNOWN: list[tuple[str, str]] = [
    ("truncate", "truncate"),
    ("Input", "Input"),
    ("input ", "input "),
    ("", ""),
    ("é", "\\xe9"),
    ("a\nb\0c", "a\\nb\\x00c"),
    ("😀", "\\U0001f600"),
    ("x" * 64, "x" * 64),
    ("x" * 65, "x" * 64 + "..."),
    ("x" * 4_000_000, "x" * 64 + "..."),
    ("\u202e" * 100, "\\u202e" * 64 + "..."),
]


@pytest.mark.parametrize(("name", "shown"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_unknown_field_is_named_so_that_it_can_be_read(name: str, shown: str) -> None:
    param, code, message = refusal(**{name: 1})
    assert (param, code) == (shown, "unknown_parameter")
    assert message.isascii()
    assert message.isprintable()
    assert f"'{shown}'" in message
    assert all(field in message for field in FIELDS)


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["float", "base64", "auto", "flex", ""]),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NEARLY = st.fixed_dictionaries(
    {
        "model": st.just("m") | VALUES,
        "input": st.just("a") | st.lists(st.integers(0, 9) | st.text(max_size=2)) | VALUES,
    },
    optional=dict.fromkeys(FIELDS[:2] + FIELDS[4:], VALUES) | {"x": VALUES},
)


@given(NEARLY | VALUES)
def test_any_json_is_a_request_or_an_error_that_names_the_field(document: object) -> None:
    try:
        request = read_request(json.dumps(document).encode())
    except EmbedgeError as refused:
        assert TABLE[type(refused)].status == 400  # noqa: PT017 (whichever of ours it is)
        assert refused.message.isascii()  # noqa: PT017
        return
    assert 1 <= len(request.inputs) <= 2048
    assert len({type(one) for one in request.inputs}) == 1
    assert all(one if isinstance(one, str) else one.ids for one in request.inputs)
    assert request.encoding_format in {"float", "base64"}


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_refused_name_is_the_only_thing_of_the_callers_that_a_message_holds(name: str, text: str) -> None:
    if name in FIELDS:
        return
    try:
        body = json.dumps({"model": "m", "input": "a", name: f"<<{text}>>"}).encode()
        read_request(body)
    except UnknownParameter as refused:
        assert f"<<{text}>>" not in refused.message  # noqa: PT017
    except EmbedgeError:
        pass  # a name that is no text
