"""Which entries are in a reply of BatchGetItem? Where all have one size, as those of one model do, found by counting.

Reading a hundred entries as JSON takes three times as long. What is not exactly as DynamoDB writes entries of one size
is read as JSON, which decides on all else; a test holds the one to the other.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, NotRequired, TypeAlias, TypedDict, cast

import orjson
import pybase64

from embedge.core.vector_codec import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from embedge.core.vector_codec import Row

_Body: TypeAlias = bytes | memoryview
# What is asked for of each item.
PROJECTION = "k, v, e"
# A reply of a few entries is read as JSON sooner than its first entry is looked at.
_WORTH_COUNTING_BYTES = 1 << 15
_decoded = pybase64.b64decode  # of what is long; by place, since names take time. What is short, Python decodes sooner
_END = b']},"UnprocessedKeys":{}}'
_ATTRIBUTE = rb'"([kve]":\{"[BN]":)"([^"]*)"\}'  # neither base64 nor a number has a backslash
_FIRST = re.compile(rb"\{" + rb",".join([_ATTRIBUTE] * 3) + rb"\}")
_HEAD_TEXT = HEAD_BYTES // 3 * 4  # of a header in base64
_KEY, _VALUE, _EXPIRY = b'k":{"B":', b'v":{"B":', b'e":{"N":'


def read_rows(body: _Body, table: str, on_corrupt: Callable[[], None]) -> tuple[Sequence[Row], Sequence[bytes]]:
    """Return what a reply about one table holds, and the keys that were not looked up.

    `on_corrupt` is told of each item that is no entry; what is kept without a value, a lease, is left out.
    Raises: ValueError, KeyError, TypeError, AttributeError where it is no reply.
    """
    rows = counted(body, table) if len(body) > _WORTH_COUNTING_BYTES else None
    return as_json(body, table, on_corrupt) if rows is None else (rows, ())


def counted(body: _Body, table: str) -> list[Row] | None:
    """Return the entries of a reply in which all are alike; None where a byte is not where it is in the first."""
    start = b'{"Responses":{"%b":[' % table.encode()
    first = _FIRST.match(body, len(start))
    if first is None or body[: len(start)] != start or body[-len(_END) :] != _END:
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
    between = tuple(bytes(body[begin:end]) for begin, end in list(pairwise(bounds))[::2])
    text_at, text_bytes = bounds[value] - bounds[0] + _HEAD_TEXT, bounds[value + 1] - bounds[value] - _HEAD_TEXT
    texts = [entries[at : at + text_bytes] for at in range(text_at, len(entries), form.size)]
    try:
        return _rows(form.iter_unpack(entries), between, (key, value, expiry), texts)
    except ValueError:
        return None


def _rows(
    entries: Iterable[tuple[bytes, ...]],
    between: tuple[bytes, ...],
    places: tuple[int, int, int],
    texts: Sequence[memoryview],
) -> list[Row]:
    """Decode entries that have `between` their parts what the first has. Raises: ValueError where one has not.

    One after the other: what is made of all of them at once, and not kept, has left the caches before it is used.
    """
    before, second, third, after = between
    before_another = b"," + before[1:]
    key, value, expiry = places
    whole_bytes = 3 * len(texts[0]) // 4 if len(texts[0]) % 4 == 0 else None  # of numbers that need no padding
    rows: list[Row] = []
    for found, text in zip(entries, texts, strict=True):
        if found[0] != before or found[2] != second or found[4] != third or found[6] != after:
            raise ValueError
        if not found[expiry].isdigit():
            raise ValueError
        head, numbers = a2b_base64(found[value], strict_mode=True), _decoded(text, None, True)
        if len(head) < HEAD_BYTES:  # padding: nothing may follow that
            raise ValueError
        as_it_came = text if len(numbers) == whole_bytes else None  # without padding there is one way to write it
        rows.append((a2b_base64(found[key], strict_mode=True), head, numbers, int(found[expiry]), as_it_came))
        before = before_another
    return rows


@lru_cache(maxsize=16)
def _form(sizes: tuple[int, ...], value: int) -> Struct | None:
    """Return how an entry is cut into its parts, of the value its header alone; None where it has not even that."""
    parts = [f"{size}s" for size in sizes]
    parts[value] = f"{_HEAD_TEXT}s{sizes[value] - _HEAD_TEXT}x"
    return Struct("".join(parts)) if sizes[value] >= _HEAD_TEXT else None


def as_json(body: _Body, table: str, on_corrupt: Callable[[], None]) -> tuple[Sequence[Row], Sequence[bytes]]:
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
    return pybase64.b64decode(text, None, True)


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
