"""Is what is counted out of a reply what JSON says is in it, and is nothing served that was not written?"""

import base64
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.dynamodb_rows import _alike, as_json, counted, read_rows
from embedge.core.vector_codec import Row, StoredVector, decode_all, encode

TABLE = "embedge-cache"
DIMENSIONS = 147
VALUE_BYTES = 12 + 4 * DIMENSIONS
NAMES = ("k", "v", "e")


def key(number: int) -> bytes:
    return bytes([number % 256]) * 32


VALUES = tuple(
    encode(key(number), np.full(DIMENSIONS, number, np.float32), number, estimated=False).kept() for number in range(60)
)


def item(number: int, names: tuple[str, ...] = NAMES, value: bytes | None = None) -> dict[str, object]:
    """Return an entry as it travels."""
    kept, expires_s = VALUES[number] if value is None else value, str(1_800_000_000 + number)
    whole = {"k": {"B": text(key(number))}, "v": {"B": text(kept)}, "e": {"N": expires_s}, "t": {"S": "stub"}}
    return {name: whole[name] for name in names}


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def reply(items: list[dict[str, object]]) -> bytes:
    return orjson.dumps({"Responses": {TABLE: items}, "UnprocessedKeys": {}})


def outcome(read: Callable[[Callable[[], None]], tuple[Iterable[Row], Sequence[bytes]]]) -> object:
    """Return what reading gives, and how often it says that an item is none; or what it raises."""
    told: list[None] = []
    try:
        rows, left = read(lambda: told.append(None))
        return (plain(rows), left), len(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return type(error)


def plain(rows: Iterable[Row] | None) -> list[Row]:
    """Return rows with texts of their own."""
    assert rows is not None
    return [(key, head, bytes(text), expires_s) for key, head, text, expires_s in rows]


def rows_of(values: Sequence[bytes]) -> list[Row]:
    return [
        (key(number), value[:12], text(value[12:]).encode(), 1_800_000_000 + number)
        for number, value in enumerate(values)
    ]


@given(st.integers(1, 60), st.permutations(NAMES))
def test_entries_of_one_size_are_counted_in_whatever_order_their_attributes_come(count: int, names: list[str]) -> None:
    body, expected = reply([item(number, tuple(names)) for number in range(count)]), rows_of(VALUES[:count])
    assert plain(counted(body, TABLE, told_nothing)) == expected
    assert as_json(body, TABLE, told_nothing) == (expected, ())


def told_nothing() -> None:
    raise AssertionError("nothing is corrupt")


@pytest.mark.parametrize("value_bytes", [12, 13, 599, 600, 601, 6156])
def test_a_value_of_any_size_is_cut_behind_its_header(value_bytes: int) -> None:
    values = [bytes([number]) * value_bytes for number in range(3)]
    body = reply([item(number, value=value) for number, value in enumerate(values)])
    assert plain(counted(body, TABLE, told_nothing)) == rows_of(values)
    assert as_json(body, TABLE, told_nothing) == (rows_of(values), ())


@pytest.mark.parametrize("value_bytes", [0, 1, 8, 9, 11])
def test_a_value_that_has_not_even_a_whole_header_is_what_json_says(value_bytes: int) -> None:
    values = [bytes([number]) * value_bytes for number in range(3)]
    body = reply([item(number, value=value) for number, value in enumerate(values)])
    found = counted(body, TABLE, told_nothing)
    assert found is None or plain(found) == rows_of(values)
    assert as_json(body, TABLE, told_nothing) == (rows_of(values), ())


def test_a_line_break_in_a_number_is_no_json_and_no_entry() -> None:
    body = reply([item(number) for number in range(3)]).replace(b"1800000001", b"180000000\n")
    assert counted(body, TABLE, told_nothing) is None
    with pytest.raises(ValueError, match="control character"):
        as_json(body, TABLE, told_nothing)


@pytest.mark.parametrize("expiry", ["", "1" * 5_000])
def test_an_expiry_that_is_no_number_or_none_that_python_reads_costs_its_entry_alone(expiry: str) -> None:
    body = reply([{**item(number), "e": {"N": expiry}} for number in range(60)])
    assert counted(body, TABLE, told_nothing) is not None
    nothing = ((list[Row](), ()), 60)
    assert outcome(lambda told: read_rows(body, TABLE, told)) == nothing
    assert outcome(lambda told: as_json(body, TABLE, told)) == nothing


def test_for_entries_of_different_sizes_no_expression_is_compiled() -> None:
    body, before = reply([item(number, value=bytes(700 + number)) for number in range(60)]), _alike.cache_info()
    assert counted(body, TABLE, told_nothing) is None
    assert _alike.cache_info() == before


OTHERS = st.sampled_from(
    [
        item(1, ("k", "e")),
        item(2, ("v", "k", "e")),
        item(3, value=bytes(VALUE_BYTES + 3)),
        item(4, value=bytes(VALUE_BYTES - 1)),
        item(5, (*NAMES, "t")),
        {**item(6), "e": {"N": "2"}},
        {**item(7), "e": {"N": " 1800000007"[:10]}},
        {**item(10), "e": {"N": "18000000x7"}},
        {**item(8), "v": {"B": "A" * (VALUE_BYTES // 3 * 4 - 1) + "\\"}},
        {**item(11), "v": {"B": "A" * 14 + "==" + "A" * (VALUE_BYTES // 3 * 4 - 16)}},
        {**item(12), "k": {"B": "=" * 44}},
        {**item(13), "v": {"B": "=" * (VALUE_BYTES // 3 * 4)}},
        {**item(9), "v": {"S": item(9)["v"]}},
        {"k": {"B": ""}},
        {},
    ]
)


@given(st.dictionaries(st.integers(0, 59), OTHERS, max_size=3))
def test_whatever_items_come_counting_says_what_json_says(others: dict[int, dict[str, object]]) -> None:
    body = reply([others.get(number, item(number)) for number in range(60)])
    assert outcome(lambda told: read_rows(body, TABLE, told)) == outcome(lambda told: as_json(body, TABLE, told))


@given(st.data())
def test_whatever_happens_to_a_reply_nothing_is_served_that_was_not_written(data: st.DataObject) -> None:
    body = bytearray(reply([item(number) for number in range(60)]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 900) | st.integers(len(body) - 900, len(body) - 1) | st.integers(0, len(body)))
        piece = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b"=", b" ", b'"},"e":{"N":"1']) | st.binary(max_size=3)
        )
        body[at : at + data.draw(st.sampled_from([0, len(piece), 1]))] = piece
    garbled = bytes(body)
    by_json, by_counting = (served(read, garbled) for read in (as_json, read_rows))
    for found, _ in (by_json, by_counting):
        assert all(vector.kept() == VALUES[entry[0]] for entry, vector in found.items())
    if by_json != ({}, None):  # else it is no JSON at all, and what each checksum vouches for may be served
        assert by_counting == by_json


def served(
    read: Callable[[bytes, str, Callable[[], None]], tuple[Iterable[Row], Sequence[bytes]]], body: bytes
) -> tuple[dict[bytes, StoredVector], int | None]:
    """Return what can be served of a reply, and how many of its items are corrupt; None where it is no reply."""
    told: list[None] = []
    found: dict[bytes, StoredVector] = {}
    try:
        rows, _ = read(body, TABLE, lambda: told.append(None))
        corrupt = decode_all(rows, DIMENSIONS, 0, found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, None
    return found, corrupt + len(told)


def test_what_was_not_looked_up_is_told_by_its_keys() -> None:
    left = {"UnprocessedKeys": {TABLE: {"Keys": [{"k": {"B": base64.b64encode(bytes(32)).decode()}}]}}}
    body = orjson.dumps({"Responses": {TABLE: [item(n) for n in range(60)]}, **left})
    rows, keys = read_rows(body, TABLE, told_nothing)
    assert (plain(rows), keys) == (rows_of(VALUES), [bytes(32)])


def test_no_byte_between_the_parts_of_any_entry_is_taken_for_granted() -> None:
    body = reply([item(number) for number in range(60)])
    size = len(orjson.dumps(item(0))) + 1
    start = body.index(b"[") + 30 * size
    one = body[start : start + size]
    texts = {at for text in orjson.loads(one[1:]).values() for value in text.values() for at in _places(one, value)}
    for at in set(range(size)) - texts:
        garbled = body[: start + at] + b"?" + body[start + at + 1 :]
        assert counted(garbled, TABLE, told_nothing) is None, one[at : at + 1]


def test_no_byte_before_the_first_entry_or_after_the_last_is_taken_for_granted() -> None:
    body = reply([item(number) for number in range(60)])
    start, end = body.index(b"[") + 1, body.rindex(b"]")
    for at in (*range(start), *range(end, len(body))):
        garbled = body[:at] + b"?" + body[at + 1 :]
        assert counted(garbled, TABLE, told_nothing) is None, at


@pytest.mark.parametrize("expiry", [{"e": {"B": "1800000000"}}, {"k": {"N": "1800000000"}}])
def test_entries_that_all_lack_an_attribute_are_what_json_says(expiry: dict[str, object]) -> None:
    body = reply([{**item(number, ("v", "k")), **expiry} for number in range(60)])
    assert outcome(lambda told: read_rows(body, TABLE, told)) == outcome(lambda told: as_json(body, TABLE, told))


@pytest.mark.parametrize("garbled", [{"k": {"B": "=" * 44}}, {"v": {"B": "=" * len(text(VALUES[0]))}}])
def test_an_entry_whose_key_or_header_is_no_base64_costs_no_other(garbled: dict[str, object]) -> None:
    others = [item(number) for number in range(60) if number != 7]
    body = reply([*others[:7], {**item(7), **garbled}, *others[7:]])
    assert counted(body, TABLE, told_nothing) is not None
    assert served(read_rows, body) == (served(read_rows, reply(others))[0], 1)


def _places(one: bytes, value: str) -> range:
    begin = one.index(b'"' + value.encode()) + 1
    return range(begin, begin + len(value))
