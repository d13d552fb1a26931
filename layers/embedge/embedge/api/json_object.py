"""Is a body one JSON object that says each thing once? Where it is not, the message tells what to change."""

import codecs
import gc
import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import cast

import orjson

from embedge.errors import InvalidJson

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_DEEP = "The body is nested too deeply. No field takes more than an array of arrays."
_FEW_BYTES = 1024
_EXAMPLE = 'Send one such as {"model": "...", "input": "..."}.'
# An escape for a letter or "_", which is all that our fields' names are made of.
_ESCAPED = b"\\u00"
_ESCAPED_LETTERS = (b"\\u005", b"\\u006", b"\\u007")
# What orjson says of some faults, and what we say.
_SAID = (
    ("surrogate", "A string in the body has a lone surrogate, which is no text. Send a whole pair, or U+FFFD."),
    ("depth", _DEEP),
    ("infinity", "A number in the body is too large for any field."),
    ("control character", "A string in the body has a control character. Escape it: a line break is \\n."),
)


def read_object(body: bytes, names: Collection[str]) -> Mapping[str, object]:
    """Return the members of the object in `body`. Raises: InvalidJson, also where one of `names` stands in it twice."""
    try:
        document = _parsed(body)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(_diagnosis(body, error)) from error
    if not isinstance(document, dict):
        raise InvalidJson(f"The body is JSON, but not an object. {_EXAMPLE}")
    members = cast("Mapping[str, object]", document)
    if may_repeat(body, [name for name in names if name in members]):
        _refuse_repeated(body, names)
    return members


def may_repeat(body: bytes, names: Collection[str]) -> bool:
    """Tell whether a member of valid JSON with one of these names could stand in it twice. Never wrong when it says no.

    Two are either both written plainly, or at least one has a letter of its name escaped. Text that looks like that
    makes it say yes too, and then the body is read a second time.
    """
    for name in names:
        if body.count(_quoted(name)) > 1:
            return True
    return _ESCAPED in body and any(escaped in body for escaped in _ESCAPED_LETTERS)


@lru_cache(maxsize=16)  # the names of our own fields
def _quoted(name: str) -> bytes:
    return b'"%b"' % name.encode()


def _parsed(body: bytes) -> object:
    if len(body) < _FEW_BYTES:  # too few lists for a collection
        return orjson.loads(body)
    with _NothingCollected():
        return orjson.loads(body)


def _refuse_repeated(body: bytes, names: Collection[str]) -> None:
    """Read a body again, for nothing but the names of its members. Raises: InvalidJson for the first that repeats."""
    try:
        with _NothingCollected():
            found = cast("Sequence[str]", json.loads(body, object_pairs_hook=_names_of))
    except RecursionError as error:
        raise InvalidJson(_DEEP) from error
    seen: set[str] = set()
    for name in found:
        if name in seen and name in names:
            raise InvalidJson(f"The body has '{name}' more than once. Send it once.", param=name)
        seen.add(name)


def _names_of(pairs: list[tuple[str, object]]) -> list[str]:
    return [name for name, _ in pairs]


class _NothingCollected:
    """Keeps the garbage collector from looking through a million new lists again and again: four times the work."""

    def __enter__(self) -> None:
        self._enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            gc.enable()


def _diagnosis(body: bytes, error: orjson.JSONDecodeError) -> str:
    """Say what keeps a body from being JSON, as far as that can be told, and nothing of what is in it."""
    if not body or body.isspace():
        return f"The body is empty, and a JSON object was due. {_EXAMPLE}"
    if (other := _other_encoding(body)) is not None:
        return other
    where = f"near line {error.lineno}, column {error.colno}"
    if error.doc.startswith(("NaN", "Infinity"), error.pos):
        return f"The body has NaN or Infinity ({where}), which JSON does not know."
    for word, said in _SAID:
        if word in error.msg:
            return f"{said} ({where})"
    return f"The body could not be read as JSON ({where}). Send a JSON object."


def _other_encoding(body: bytes) -> str | None:
    """Say in what way this is not plain UTF-8; None where it is."""
    if body.startswith(_BYTE_ORDER_MARKS):
        return "The body begins with a byte order mark. Send UTF-8 without one."
    if b"\0" in body[:4]:
        return "The body looks like UTF-16 or UTF-32. Send UTF-8."
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        return f"The body is not UTF-8 (byte {fault.start}). Send UTF-8; a lone surrogate cannot be sent in it."
    return None
