"""Is what is not one JSON object, or says a thing twice, always refused, with a message that says what to change?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.api.json_object import may_repeat, read_object
from embedge.errors import EmbedgeError, InvalidJson

NAMES = ("dimensions", "encoding_format", "input", "model", "service_tier", "user")

NOT_AN_OBJECT: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "white space": (b" \r\n\t" * 1000, "empty"),
    "null": (b"null", "not an object"),
    "an array": (b'[{"model": "m"}]', "not an object"),
    "a string": (b'"model"', "not an object"),
    "two objects": (b"{}{}", "line 1, column 3"),
    "half an object": (b'{"input": "a', "could not be read"),
    "single quotes": (b"{'input': 'a'}", "line 1, column 2"),
    "a comma too many": (b'{"input": "a",}', "could not be read"),
    "a comment": (b'{"input": "a" /* b */}', "could not be read"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "UTF-16 with a mark": ("{}".encode("utf-16"), "byte order mark"),
    "UTF-16, the other way": (b"\xfe\xff" + "{}".encode("utf-16-be"), "byte order mark"),
    "UTF-32 with a mark": ("{}".encode("utf-32"), "byte order mark"),
    "UTF-32, the other way": (b"\0\0\xfe\xff" + "{}".encode("utf-32-be"), "byte order mark"),
    "UTF-16 without a mark": ("{}".encode("utf-16-le"), "UTF-16"),
    "UTF-16 without a mark, the other way": ("{}".encode("utf-16-be"), "UTF-16"),
    "Latin-1": (b'{"input": "\xe9"}', "not UTF-8 (byte 11)"),
    "an overlong slash": (b'{"input": "\xc0\xaf"}', "not UTF-8"),
    "a surrogate in bytes": (b'{"input": "\xed\xa0\x80"}', "lone surrogate"),
    "a first surrogate": (b'{"input": "\\ud83d"}', "lone surrogate"),
    "a first surrogate and a letter": (b'{"input": "\\ud83dx"}', "lone surrogate"),
    "a first surrogate and another": (b'{"input": "\\ud83d\\ud83d"}', "lone surrogate"),
    "a second surrogate": (b'{"input": "\\ude00"}', "lone surrogate"),
    "a surrogate in a name": (b'{"\\ude00": 1}', "lone surrogate"),
    "NaN": (b'{"dimensions": NaN}', "NaN or Infinity"),
    "NaN behind other letters": ('{"user": "é", "dimensions": NaN}'.encode(), "NaN or Infinity"),
    "Infinity": (b'{"dimensions": Infinity}', "NaN or Infinity"),
    "minus Infinity": (b'{"dimensions": -Infinity}', "NaN or Infinity"),
    "1e400": (b'{"dimensions": 1e400}', "too large"),
    "5000 digits": (b'{"dimensions": 1' + b"0" * 5000 + b"}", "too large"),
    "arrays in arrays": (b'{"input": ' + b"[" * 2000 + b"]" * 2000 + b"}", "nested too deeply"),
    "objects in objects": (b'{"input": ' * 2000 + b"1" + b"}" * 2000, "nested too deeply"),
    "a line break in a string": (b'{"input": "a\nb"}', "control character"),
    "a NUL in a string": (b'{"input": "a\0b"}', "control character"),
    "an escape that JSON has not": (b'{"input": "\\x41"}', "could not be read"),
    "a leading zero": (b'{"dimensions": 01}', "could not be read"),
    "a leading plus": (b'{"dimensions": +1}', "could not be read"),
}


@pytest.mark.parametrize(("body", "words"), NOT_AN_OBJECT.values(), ids=NOT_AN_OBJECT.keys())
def test_the_message_says_what_keeps_a_body_from_being_an_object(body: bytes, words: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        read_object(body, NAMES)
    assert words in refused.value.message
    assert refused.value.param is None
    assert len(refused.value.message) < 200


def test_what_json_allows_is_read_as_it_is() -> None:
    body = b'\r\n\t {"input" : "\\ud83d\\ude00\\u0000\\/ \xf0\x9f\x98\x80", "dimensions": -0, "\\u0062": [1.0, 1E2]} '
    assert read_object(body, NAMES) == {"input": "😀\0/ 😀", "dimensions": 0, "b": [1.0, 100.0]}


TWICE: dict[str, tuple[str, str]] = {
    "plainly": ('{"input": "a", "model": "m", "input": "b"}', "input"),
    "the same value": ('{"model": "m", "model": "m"}', "model"),
    "escaped, lower case": (r'{"input": "a", "inp\u0075t": "b"}', "input"),
    "escaped, upper case": (r'{"service_tier": null, "service\u005Ftier": null}', "service_tier"),
    "both escaped": (r'{"\u0075ser": "a", "use\u0072": "b"}', "user"),
    "wholly escaped": (r'{"user": "a", "\u0075\u0073\u0065\u0072": "b"}', "user"),
    "three times": ('{"dimensions": 1, "dimensions": 2, "dimensions": 3}', "dimensions"),
    "behind something nested": (
        '{"input": {"input": 1}, "encoding_format": 1, "encoding_format": 1}',
        "encoding_format",
    ),
    "with a number of 5000 digits between": ('{"input": "a", "x": 0.' + "1" * 5000 + ', "input": "b"}', "input"),
}


@pytest.mark.parametrize(("body", "param"), TWICE.values(), ids=TWICE.keys())
def test_a_field_that_stands_twice_is_refused_by_name_however_it_is_written(body: str, param: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        read_object(body.encode(), NAMES)
    assert refused.value.param == param
    assert "more than once" in refused.value.message


def test_twice_and_too_deep_to_be_read_again_is_refused_too() -> None:
    deep = "[" * 1000 + "]" * 1000
    with pytest.raises(InvalidJson, match=r"nested too deeply|more than once"):
        read_object(f'{{"input": {deep}, "input": "a"}}'.encode(), NAMES)


ONCE = [
    '{"input": ["input", "model", "input"], "model": "model"}',
    r'{"input": "\u0069nput", "model": "m"}',
    r'{"inp\u0075t": "a", "model": "m"}',
    r'{"input": "\"input\": \"input\":", "model": "m"}',
    '{"input": {"input": 1, "model": 2}, "model": "m"}',
    '{"input": "a", "x": 1, "x": 2}',  # no field of ours: refused by whoever reads the fields
]


@pytest.mark.parametrize("body", ONCE)
def test_what_only_looks_like_a_second_time_is_none(body: str) -> None:
    assert read_object(body.encode(), NAMES) == json.loads(body)


def test_usual_bodies_are_not_read_twice() -> None:
    texts = ['he said "input"', "naïve \\u00e9", '{"model": 1}', "input", "\u2028"]
    for ascii_only in (True, False):
        body = json.dumps({"model": "m", "input": texts, "user": "u"}, ensure_ascii=ascii_only).encode()
        assert not may_repeat(body.replace(b'"input",', b""), NAMES)


@st.composite
def written(draw: st.DrawFn, text: st.SearchStrategy[str]) -> str:
    """A string in JSON, each character plainly or escaped, as JSON allows it."""
    out = '"'
    for character in draw(text):
        code = ord(character)
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        ways = [plain] if code > 0xFFFF else [plain, plain, f"\\u{code:04x}", f"\\u{code:04X}"]
        out += draw(st.sampled_from(ways))
    return out + '"'


WORDS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES).map(lambda name: f'"{name}"'),
    st.sampled_from(NAMES).map(lambda name: f'x"{name}'),
    st.text(alphabet='inputsermodl_"\\:,{u0075é😀', max_size=8),
)
VALUES: st.SearchStrategy[str] = st.recursive(
    st.one_of(written(WORDS), st.sampled_from(["0", "-1.5e3", "true", "null", "1" * 30])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{','.join(values)}]"),
        st.lists(st.tuples(written(WORDS), inner), max_size=3).map(
            lambda pairs: "{" + " , ".join(f"{name} : {value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.tuples(written(WORDS), VALUES), max_size=6).map(
    lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
)


@given(OBJECTS)
def test_the_quick_look_never_misses_a_second_time_and_only_that_is_refused(body: str) -> None:
    found: list[tuple[str, object]] = json.loads(body, object_pairs_hook=list[Any])
    names = [name for name, _ in found]
    twice = {name for name in NAMES if names.count(name) > 1}
    if twice:
        assert may_repeat(body.encode(), [name for name in NAMES if name in names])
        with pytest.raises(InvalidJson) as refused:
            read_object(body.encode(), NAMES)
        assert refused.value.param in twice
    else:
        assert read_object(body.encode(), NAMES) == json.loads(body, parse_int=_as_orjson)


def _as_orjson(digits: str) -> int | float:
    """Return what 64 bits can hold as it is, and the rest as a float."""
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


@given(
    st.binary(max_size=100)
    | OBJECTS.map(str.encode).flatmap(lambda body: st.integers(0, len(body)).map(lambda at: body[:at]))
)
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        assert isinstance(read_object(body, NAMES), dict)
    except EmbedgeError as refused:
        assert isinstance(refused, InvalidJson)  # noqa: PT017 (nothing else may come)
