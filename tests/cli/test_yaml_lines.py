"""Does a file mean what somebody who knows JSON would think, and is everything else refused by its line?"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.cli.yaml_lines import read_yaml, write_yaml
from embedge.errors import InvalidValue

if TYPE_CHECKING:
    from embedge.cli.yaml_lines import Json

SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9).filter(lambda key: key != "<<")
VALUES = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False, min_value=1e-6, max_value=1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def value(text: str) -> Json:
    return read_yaml("f", text.encode()).value


def wrong(content: bytes) -> str:
    with pytest.raises(InvalidValue) as caught:
        read_yaml("f", content)
    return caught.value.message


@given(VALUES)
def test_what_is_written_reads_back_the_same(written: Json) -> None:
    assert value(write_yaml(written)) == written


@given(VALUES, st.sampled_from([None, 2, "\t"]))
def test_json_means_what_it_means_as_json(written: Json, indent: str | int | None) -> None:
    assert value(json.dumps({"x": written}, indent=indent)) == {"x": written}


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-25",
        "no",
        "yes",
        "on",
        "True",
        "NULL",
        "1_000",
        "010",
        "0x10",
        "1:30",
        "+1",
        ".5",
        "1.",
        ".nan",
        ".inf",
        "=",
    ],
)
def test_what_json_would_not_type_stays_text(text: str) -> None:
    assert value(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "typed"),
    [("true", True), ("null", None), ("~", None), ("", None), ("-3", -3), ("1e2", 100.0), ("0.02", 0.02)],
)
def test_what_json_would_type_is_typed(text: str, typed: Json) -> None:
    read = value(f"a: {text}")
    assert read == {"a": typed}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(typed)


def test_every_value_has_its_line_and_what_is_missing_that_of_what_it_is_missing_in() -> None:
    read = read_yaml("f", b"# routes\nroutes:\n  - alias: a\n    space:\n      model: m\n")
    assert read.at(("routes", 0, "space", "model")) == "f:5"
    assert read.at(("routes", 0, "space", "dimensions")) == "f:5"
    assert read.at(("routes", 0, "targets")) == "f:3"
    assert read.at(("nothing",)) == "f:2"


def test_anchors_and_merge_keys_unfold_and_what_stands_there_wins() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\none: {<<: *x, b: 9}\ntwo: {<<: [*x, *y]}\nthree: *y"
    read = value(text)
    assert isinstance(read, dict)
    assert (read["one"], read["two"], read["three"]) == ({"a": 1, "b": 9}, {"a": 1, "b": 2, "c": 4}, {"b": 3, "c": 4})


def laughs(form: str) -> bytes:
    levels = [f"a0: &a0 {form.format('x')}"]
    levels += [f"a{n}: &a{n} {form.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 9)]
    return "\n".join(levels).encode()


WRONG = [
    (b"a: 1\nb: 2\na: 3", "f:3: a stands here twice"),
    (b"a: 1\n'a': 3", "f:2: a stands here twice"),
    (b"a:\n  - {b: 1, b: 1}", "f:2: b stands here twice"),
    (b"a: [", "f:1: "),
    (b"a: b: c", "f:1: "),
    (b"a: 1\n\tb: 2", "f:2: "),
    (b"a: 1\n---\nb: 1", "f:2: "),
    (b"a: *nobody", "f:1: "),
    (b"", "f:1: "),
    (b"# nothing", "f:1: "),
    (b"a: 1\nb: \xff", "f:2: this is not UTF-8"),
    (b"a: \x00", "f:1: "),
    (b"[" * 10_000, "f:1: this is nested too deeply"),
    (b"[" * 30 + b"]" * 30, "f:1: this unfolds"),
    (b"&a [*a]", "f:1: this unfolds"),
    (b"&a {<<: *a}", "f:1: this merges in itself"),
    (b"a: {<<: 3}", "f:1: only a mapping"),
    (b"? [a]\n: 1", "f:1: a key is text"),
    (b"a: !!python/object:os.system x", "f:1: the tag"),
    (b"a: !!timestamp 2024-01-01", "f:1: the tag"),
    (b"a: !!int x", "f:1: the tag"),
    (b'{"a": "\\ud800"}', "f:1: half of a character"),
    (b"a: " + b"1" * 5000, "f:1: this number"),
    (laughs("[{}]"), "f:"),
    (laughs("{{<<: [{}]}}").replace(b"[x]", b"{}"), "f:"),
]


@pytest.mark.parametrize(("content", "says"), WRONG, ids=range(len(WRONG)))
def test_what_nobody_means_is_refused_by_its_line(content: bytes, says: str) -> None:
    assert wrong(content).startswith(says)


@given(st.text(max_size=60) | st.text(":-[]{}&*!|>'\"#%@`,? \n\tab1<", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidValue):
        read_yaml("f", text.encode("utf-8", "surrogatepass"))
