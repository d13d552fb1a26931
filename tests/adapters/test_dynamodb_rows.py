"""Is what is counted out of a reply what JSON says is in it?"""

import base64
import binascii
from collections.abc import Callable, Sequence

import orjson
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.dynamodb_rows import as_json, counted, read_rows
from embedge.core.vector_codec import Row

TABLE = "embedge-cache"
VALUE_BYTES = 600
NAMES = ("k", "v", "e")


def item(number: int, names: tuple[str, ...] = NAMES, value_bytes: int = VALUE_BYTES) -> dict[str, object]:
    """Return an entry as it travels."""
    key, value = (base64.b64encode(bytes([number % 256]) * size).decode() for size in (32, value_bytes))
    whole = {"k": {"B": key}, "v": {"B": value}, "e": {"N": str(1_800_000_000 + number)}, "t": {"S": "stub"}}
    return {name: whole[name] for name in names}


def reply(items: list[dict[str, object]]) -> bytes:
    return orjson.dumps({"Responses": {TABLE: items}, "UnprocessedKeys": {}})


def outcome(read: Callable[[Callable[[], None]], tuple[Sequence[Row], Sequence[bytes]]]) -> object:
    """Return what reading gives, and how often it says that an item is none; or what it raises."""
    told: list[None] = []
    try:
        rows, left = read(lambda: told.append(None))
        return (without_texts(list(rows)), left), len(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return type(error)


def rows_of(count: int, value_bytes: int = VALUE_BYTES) -> list[Row]:
    rows = [(bytes([n]) * 32, bytes([n]) * value_bytes, 1_800_000_000 + n) for n in range(count)]
    return [(key, value[:12], value[12:], expires_s, None) for key, value, expires_s in rows]


def without_texts(rows: list[Row] | None) -> list[Row] | None:
    """Return rows as JSON gives them, after a look at what each value is said to have come as."""
    for _, _, body, _, text in rows or ():
        assert text is None or bytes(text) == base64.b64encode(body)
    return None if rows is None else [(*row[:4], None) for row in rows]


@given(st.integers(1, 60), st.permutations(NAMES))
def test_entries_of_one_size_are_counted_in_whatever_order_their_attributes_come(count: int, names: list[str]) -> None:
    body = reply([item(number, tuple(names)) for number in range(count)])
    assert without_texts(counted(body, TABLE)) == rows_of(count)
    assert as_json(body, TABLE, lambda: None) == (rows_of(count), ())


@pytest.mark.parametrize("value_bytes", [12, 13, 599, 600, 601, 6156])
def test_a_value_comes_with_its_text_where_that_can_be_written_in_one_way(value_bytes: int) -> None:
    found = counted(reply([item(number, value_bytes=value_bytes) for number in range(3)]), TABLE)
    assert without_texts(found) == rows_of(3, value_bytes)
    assert [row[4] is not None for row in found or ()] == [value_bytes % 3 == 0] * 3


@pytest.mark.parametrize("value_bytes", [0, 1, 8, 9, 11])
def test_a_value_that_has_not_even_a_whole_header_is_what_json_says(value_bytes: int) -> None:
    body = reply([item(number, value_bytes=value_bytes) for number in range(3)])
    assert without_texts(counted(body, TABLE)) in (None, rows_of(3, value_bytes))
    assert as_json(body, TABLE, lambda: None) == (rows_of(3, value_bytes), ())


@given(st.binary(max_size=20) | st.text("AB+/=", max_size=20).map(str.encode))
def test_what_is_short_is_decoded_by_python_as_what_is_long_is_by_pybase64(text: bytes) -> None:
    def outcome_of(decode: Callable[[], bytes]) -> bytes | None:
        try:
            return decode()
        except ValueError:
            return None

    short = outcome_of(lambda: binascii.a2b_base64(text, strict_mode=True))
    assert short == outcome_of(lambda: pybase64.b64decode(text, None, True))


def test_a_line_break_in_a_number_is_no_json_and_no_entry() -> None:
    body = reply([item(number) for number in range(3)]).replace(b"1800000001", b"180000000\n")
    assert counted(body, TABLE) is None
    with pytest.raises(ValueError, match="control character"):
        as_json(body, TABLE, lambda: None)


OTHERS = st.sampled_from(
    [
        item(1, ("k", "e")),
        item(2, ("v", "k", "e")),
        item(3, value_bytes=VALUE_BYTES + 3),
        item(4, value_bytes=VALUE_BYTES - 1),
        item(5, (*NAMES, "t")),
        {**item(6), "e": {"N": "2"}},
        {**item(7), "e": {"N": " 1800000007"[:10]}},
        {**item(10), "e": {"N": "18000000x7"}},
        {**item(8), "v": {"B": "A" * (VALUE_BYTES // 3 * 4 - 1) + "\\"}},
        {**item(11), "v": {"B": "A" * 14 + "==" + "A" * (VALUE_BYTES // 3 * 4 - 16)}},
        {**item(9), "v": {"S": item(9)["v"]}},
        {"k": {"B": ""}},
        {},
    ]
)


@given(st.dictionaries(st.integers(0, 59), OTHERS, max_size=3))
def test_whatever_items_come_counting_says_what_json_says_or_nothing(others: dict[int, dict[str, object]]) -> None:
    body = reply([others.get(number, item(number)) for number in range(60)])
    found = counted(body, TABLE)
    assert found is None or as_json(body, TABLE, lambda: None) == (without_texts(found), ())
    assert outcome(lambda told: read_rows(body, TABLE, told)) == outcome(lambda told: as_json(body, TABLE, told))


@given(st.data())
def test_whatever_happens_to_a_reply_counting_says_what_json_says_or_nothing(data: st.DataObject) -> None:
    body = bytearray(reply([item(number) for number in range(60)]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 900) | st.integers(len(body) - 900, len(body) - 1) | st.integers(0, len(body)))
        piece = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"}", b",", b"=", b" ", b'"},"e":{"N":"1']) | st.binary(max_size=3)
        )
        body[at : at + data.draw(st.sampled_from([0, len(piece), 1]))] = piece
    garbled = bytes(body)
    found = counted(garbled, TABLE)
    assert found is None or outcome(lambda told: as_json(garbled, TABLE, told)) == ((without_texts(found), ()), 0)
    assert outcome(lambda told: read_rows(garbled, TABLE, told)) == outcome(lambda told: as_json(garbled, TABLE, told))


def test_what_was_not_looked_up_is_told_by_its_keys() -> None:
    left = {"UnprocessedKeys": {TABLE: {"Keys": [{"k": {"B": base64.b64encode(bytes(32)).decode()}}]}}}
    body = orjson.dumps({"Responses": {TABLE: [item(n) for n in range(60)]}, **left})
    assert read_rows(body, TABLE, lambda: None) == (rows_of(60), [bytes(32)])


def test_no_byte_between_the_parts_of_any_entry_is_taken_for_granted() -> None:
    body = reply([item(number) for number in range(60)])
    size = len(orjson.dumps(item(0))) + 1
    start = body.index(b"[") + 30 * size
    one = body[start : start + size]
    texts = {at for text in orjson.loads(one[1:]).values() for value in text.values() for at in _places(one, value)}
    for at in set(range(size)) - texts:
        garbled = body[: start + at] + b"?" + body[start + at + 1 :]
        assert counted(garbled, TABLE) is None, one[at : at + 1]


def _places(one: bytes, value: str) -> range:
    begin = one.index(b'"' + value.encode()) + 1
    return range(begin, begin + len(value))
