"""Which entries are in a reply of BatchGetItem? Where all have one size, as those of one model do, found by counting.

Reading a hundred entries as JSON takes three times as long. What is not exactly as DynamoDB writes entries of one size
is read as JSON, which decides on all else; a test holds the one to the other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, NotRequired, TypeAlias, TypedDict, cast

import orjson
import pybase64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# What is asked for of each item.
PROJECTION = "k, v, e"
# A reply of a few entries is read as JSON sooner than its first entry is looked at.
_WORTH_COUNTING_BYTES = 1 << 15
_END = b']},"UnprocessedKeys":{}}'
_ATTRIBUTE = rb'"([kve]":\{"[BN]":)"([^"]*)"\}'  # neither base64 nor a number has a backslash
_FIRST = re.compile(rb"\{" + rb",".join([_ATTRIBUTE] * 3) + rb"\}")
_KEY, _VALUE, _EXPIRY = b'k":{"B":', b'v":{"B":', b'e":{"N":'

# A key, what is kept under it, and the second from which on it is not.
Row: TypeAlias = tuple[bytes, bytes, int]


def read_rows(body: bytes, table: str, on_corrupt: Callable[[], None]) -> tuple[Sequence[Row], Sequence[bytes]]:
    """Return what a reply about one table holds, and the keys that were not looked up.

    `on_corrupt` is told of each item that is no entry; what is kept without a value, a lease, is left out.
    Raises: ValueError, KeyError, TypeError, AttributeError where it is no reply.
    """
    rows = counted(body, table) if len(body) > _WORTH_COUNTING_BYTES else None
    return as_json(body, table, on_corrupt) if rows is None else (rows, ())


def counted(body: bytes, table: str) -> list[Row] | None:
    """Return the entries of a reply in which all are alike; None where a byte is not where it is in the first."""
    start = b'{"Responses":{"%b":[' % table.encode()
    first = _FIRST.match(body, len(start))
    if first is None or not body.startswith(start) or not body.endswith(_END):
        return None
    names = (first[1], first[3], first[5])
    # Each is counted with what stands before it: a bracket or a comma.
    bounds = (len(start) - 1, *first.span(2), *first.span(4), *first.span(6), first.end())
    form = _form(tuple(end - begin for begin, end in pairwise(bounds)))
    entries = memoryview(body)[len(start) - 1 : -len(_END)]
    if set(names) != {_KEY, _VALUE, _EXPIRY} or len(entries) % form.size:
        return None
    places = (2 * names.index(name) + 1 for name in (_KEY, _VALUE, _EXPIRY))
    before, _, second, _, third, _, after = (body[begin:end] for begin, end in pairwise(bounds))
    try:
        return list(_decoded(form.iter_unpack(entries), (before, second, third, after), *places))
    except ValueError:
        return None


def _decoded(
    entries: Iterable[tuple[bytes, ...]], between: tuple[bytes, ...], key: int, value: int, expiry: int
) -> Iterator[Row]:
    """Decode entries that have `between` their parts what the first has. Raises: ValueError where one has not."""
    before, second, third, after = between
    for found in entries:
        if found[0] != before or found[2] != second or found[4] != third or found[6] != after:
            raise ValueError
        if not found[expiry].isdigit():
            raise ValueError
        yield _bytes(found[key]), _bytes(found[value]), int(found[expiry])
        before = b"," + before[1:]


@lru_cache(maxsize=16)
def _form(sizes: tuple[int, ...]) -> Struct:
    return Struct("".join(f"{size}s" for size in sizes))


def as_json(body: bytes, table: str, on_corrupt: Callable[[], None]) -> tuple[Sequence[Row], Sequence[bytes]]:
    """Return the same as `read_rows`, of any reply."""
    reply = cast("_Reply", orjson.loads(body))
    rows: list[Row] = []
    for item in reply["Responses"].get(table, ()):
        try:
            if "v" in item:
                rows.append((_bytes(item["k"]["B"]), _bytes(item["v"]["B"]), int(item["e"]["N"])))
        except (KeyError, ValueError):
            on_corrupt()
    unprocessed = reply["UnprocessedKeys"].get(table)
    return rows, () if unprocessed is None else [_bytes(key["k"]["B"]) for key in unprocessed["Keys"]]


def _bytes(text: str | bytes) -> bytes:
    return pybase64.b64decode(text, validate=True)


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
