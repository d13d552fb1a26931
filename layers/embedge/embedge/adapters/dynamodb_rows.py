"""Which entries are in a reply of BatchGetItem? Where all have one size, as those of one model do, found by counting.

Reading a hundred entries as JSON takes five times as long. What is not exactly as DynamoDB writes entries of one size
is read as JSON, which decides on all else; a test holds the one to the other. One thing only is not decided alike:
where numbers are garbled so that all is JSON no more, the other entries are found, each by its own checksum.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

import orjson

from embedge.core.vector_codec import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from embedge.core.vector_codec import Row

_Body: TypeAlias = bytes | memoryview
# What is asked for of each item.
PROJECTION = "k, v, e"
# A reply of a few entries is read as JSON sooner than its first entry is looked at.
_WORTH_COUNTING_BYTES = 1 << 15
_END = b']},"UnprocessedKeys":{}}'
_ATTRIBUTE = rb'"([kve]":\{"[BN]":)"([^"]*)"\}'  # neither base64 nor a number has a backslash
_FIRST = re.compile(rb"\{" + rb",".join([_ATTRIBUTE] * 3) + rb"\}")
_HEAD_CHARS = HEAD_BYTES // 3 * 4  # of a header in base64
_KEY, _VALUE, _EXPIRY = b'k":{"B":', b'v":{"B":', b'e":{"N":'


def read_rows(body: _Body, table: str, on_corrupt: Callable[[], None]) -> tuple[Iterable[Row], Sequence[bytes]]:
    """Return what a reply about one table holds, to be gone through once, and the keys that were not looked up.

    `on_corrupt` is told of each item that is no entry, while they are gone through; what is kept without a value, a
    lease, is left out. The base64 of numbers is not looked at: an entry's checksum says whether it is what was written.
    Raises: ValueError, KeyError, TypeError, AttributeError where it is no reply.
    """
    rows = counted(body, table, on_corrupt) if len(body) > _WORTH_COUNTING_BYTES else None
    return as_json(body, table, on_corrupt) if rows is None else (rows, ())


def counted(body: _Body, table: str, on_corrupt: Callable[[], None]) -> Iterator[Row] | None:
    """Return the same of a reply in which all entries are alike; None where a byte is not where it is in the first."""
    start = b'{"Responses":{"%b":[' % table.encode()
    first = _FIRST.match(body, len(start))
    if first is None or body[: len(start)] != start or body[-len(_END) :] != _END:
        return None
    names = (first[1], first[3], first[5])
    if set(names) != {_KEY, _VALUE, _EXPIRY}:
        return None
    entries = memoryview(body)[len(start) : -len(_END)]
    size_bytes = first.end() - first.start() + 1  # with its comma
    if (len(entries) + 1) % size_bytes:  # as mostly where they are packed: no expression is compiled for those
        return None
    key, value, expiry = map(names.index, (_KEY, _VALUE, _EXPIRY))
    alike = _alike(names, (len(first[2]), len(first[4]), len(first[6])), value)
    found = [] if alike is None else alike.findall(entries)
    if len(found) * size_bytes != len(entries) + 1:
        return None
    text_at = first.start(2 * value + 2) - len(start) + _HEAD_CHARS
    texts = _Texts(entries, text_at, len(first[2 * value + 2]) - _HEAD_CHARS, size_bytes)
    return _rows(found, (key, value, expiry), texts, on_corrupt)


class _Texts(NamedTuple):
    """Where the base64 of each entry's numbers lies: the first at `at`, `chars` long, the next after `step` bytes."""

    entries: memoryview
    at: int
    chars: int
    step: int


def _rows(
    found: Sequence[tuple[bytes, ...]], places: tuple[int, int, int], texts: _Texts, on_corrupt: Callable[[], None]
) -> Iterator[Row]:
    """Give one row after the other: what is made of all of them at once has left the caches before it is used."""
    key, value, expiry = places
    entries, at, chars, step = texts
    for entry in found:
        try:
            its_key, head = a2b_base64(entry[key], strict_mode=True), a2b_base64(entry[value], strict_mode=True)
            expires_s = int(entry[expiry])
        except ValueError:  # no base64, or no digit, or more than Python reads
            on_corrupt()
        else:
            yield its_key, head, entries[at : at + chars], expires_s
        at += step


@lru_cache(maxsize=16)
def _alike(names: tuple[bytes, ...], sizes: tuple[int, ...], value: int) -> re.Pattern[bytes] | None:
    """Return what finds entries like the first: their key, the header of their value, and their expiry."""
    if sizes[value] < _HEAD_CHARS:
        return None
    parts = [b"(.{%d})" % size for size in sizes]
    parts[value] = b"(.{%d}).{%d}" % (_HEAD_CHARS, sizes[value] - _HEAD_CHARS)
    parts[names.index(_EXPIRY)] = b"([0-9]{%d})" % sizes[names.index(_EXPIRY)]
    attributes = [b'"%b"%b"}' % (re.escape(name), part) for name, part in zip(names, parts, strict=True)]
    return re.compile(rb"\{%b\}(?:,|\Z)" % b",".join(attributes), re.DOTALL)


def as_json(body: _Body, table: str, on_corrupt: Callable[[], None]) -> tuple[Iterable[Row], Sequence[bytes]]:
    """Return the same as `read_rows`, of any reply."""
    reply = cast("_Reply", orjson.loads(body))
    rows: list[Row] = []
    for item in reply["Responses"].get(table, ()):
        try:
            if "v" in item:
                value = item["v"]["B"]
                key, head, text = _bytes(item["k"]["B"]), _bytes(value[:_HEAD_CHARS]), value[_HEAD_CHARS:].encode()
                rows.append((key, head, text, int(item["e"]["N"])))
        except (KeyError, ValueError):
            on_corrupt()
    unprocessed = reply["UnprocessedKeys"].get(table)
    return rows, () if unprocessed is None else [_bytes(key["k"]["B"]) for key in unprocessed["Keys"]]


def _bytes(text: str | bytes) -> bytes:
    return a2b_base64(text, strict_mode=True)


class _Binary(TypedDict):
    B: str


class _Number(TypedDict):
    N: str


class _Key(TypedDict):
    k: _Binary


class _Item(_Key):
    v: NotRequired[_Binary]
    e: _Number


class _Unprocessed(TypedDict):
    Keys: list[_Key]


class _Reply(TypedDict):
    Responses: dict[str, list[_Item]]
    UnprocessedKeys: dict[str, _Unprocessed]
