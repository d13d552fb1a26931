"""Which entries are in a reply of BatchGetItem? Where all have one size, as those of one model do, found by counting.

Reading a hundred entries as JSON takes three times as long. What is not exactly as DynamoDB writes entries of one size
is read as JSON, which decides on all else; a test holds the one to the other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise, repeat
from struct import Struct
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

import orjson
import pybase64

from embedge.core.vector_codec import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedge.core.vector_codec import Row

# What is asked for of each item.
PROJECTION = "k, v, e"
# A reply of a few entries is read as JSON sooner than its first entry is looked at.
_WORTH_COUNTING_BYTES = 1 << 15
_END = b']},"UnprocessedKeys":{}}'
_ATTRIBUTE = rb'"([kve]":\{"[BN]":)"([^"]*)"\}'  # neither base64 nor a number has a backslash
_FIRST = re.compile(rb"\{" + rb",".join([_ATTRIBUTE] * 3) + rb"\}")
_HEAD_TEXT = HEAD_BYTES // 3 * 4  # of a header in base64
_KEY, _VALUE, _EXPIRY = b'k":{"B":', b'v":{"B":', b'e":{"N":'


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
    if set(names) != {_KEY, _VALUE, _EXPIRY}:
        return None
    # Each is counted with what stands before it: a bracket or a comma.
    bounds = (len(start) - 1, *first.span(2), *first.span(4), *first.span(6), first.end())
    entries = memoryview(body)[bounds[0] : -len(_END)]
    key, value, expiry = (2 * names.index(name) + 1 for name in (_KEY, _VALUE, _EXPIRY))
    form = _form(tuple(end - begin for begin, end in pairwise(bounds)), value)
    if form is None or len(entries) % form.size:
        return None
    columns = tuple(zip(*form.iter_unpack(entries), strict=True))
    if not _are_alike(columns[::2]) or not b"".join(columns[expiry]).isdigit():
        return None
    first_at, size = bounds[value] - bounds[0] + _HEAD_TEXT, bounds[value + 1] - bounds[value] - _HEAD_TEXT
    texts = [entries[at : at + size] for at in range(first_at, len(entries), form.size)]
    try:
        keys, bodies, headers = _all_bytes(columns[key]), _all_bytes(texts), _bytes(b"".join(columns[value]))
    except ValueError:
        return None
    unpadded = 4 * len(bodies[0]) == 3 * size  # only then is there one way to write it
    heads = [headers[at : at + HEAD_BYTES] for at in range(0, len(headers), HEAD_BYTES)]
    as_it_came = texts if unpadded else repeat(None, len(texts))
    return list(zip(keys, heads, bodies, map(int, columns[expiry]), as_it_came, strict=True))


def _are_alike(between: Sequence[Sequence[bytes]]) -> bool:
    """Tell whether what stands between the parts of the first entry stands between those of all others too."""
    before, *others = between
    after_another = b"," + before[0][1:]
    alike = all(column.count(column[0]) == len(column) for column in others)
    return alike and before[1:].count(after_another) == len(before) - 1


@lru_cache(maxsize=16)
def _form(sizes: tuple[int, ...], value: int) -> Struct | None:
    """Return how an entry is cut into its parts, of the value its header alone; None where it has not even that."""
    parts = [f"{size}s" for size in sizes]
    parts[value] = f"{_HEAD_TEXT}s{sizes[value] - _HEAD_TEXT}x"
    return Struct("".join(parts)) if sizes[value] >= _HEAD_TEXT else None


def _all_bytes(texts: Sequence[bytes | memoryview]) -> list[bytes]:
    """Return what each says in base64. Raises: ValueError."""
    return list(map(pybase64.b64decode, texts, repeat(None), repeat(True)))


def as_json(body: bytes, table: str, on_corrupt: Callable[[], None]) -> tuple[Sequence[Row], Sequence[bytes]]:
    """Return the same as `read_rows`, of any reply."""
    reply = cast("_Reply", orjson.loads(body))
    rows: list[Row] = []
    for item in reply["Responses"].get(table, ()):
        try:
            if "v" in item:
                value = _bytes(item["v"]["B"])
                head, numbers = value[:HEAD_BYTES], value[HEAD_BYTES:]
                rows.append((_bytes(item["k"]["B"]), head, numbers, int(item["e"]["N"]), None))
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
