"""Is a vector kept to its last bit, and is nothing that is not this key's ever taken for it?"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.vector_codec import FloatVector, Row, StoredVector, cut, decode, decode_all, encode, is_of, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedge.core.route import Storage

KEY = hashlib.sha256(b"a key").digest()
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = st.lists(NUMBERS, min_size=1, max_size=40).map(lambda numbers: np.array(numbers, np.float32))
STORED = st.builds(encode, st.just(KEY), VECTORS, st.integers(0, 2**31 - 1), estimated=st.booleans())


@given(VECTORS, st.integers(0, 2**31 - 1), st.booleans())
def test_what_was_encoded_is_decoded_to_the_last_bit(vector: FloatVector, tokens: int, estimated: bool) -> None:  # noqa: FBT001 (drawn)
    stored = encode(KEY, vector, tokens, estimated=estimated)
    decoded = decode(KEY, stored.kept(), len(vector))
    assert decoded == stored
    assert decoded is not None
    assert decoded.floats().tobytes() == vector.tobytes()
    assert (decoded.dimensions, decoded.tokens, decoded.tokens_estimated) == (len(vector), tokens, estimated)


@given(STORED)
def test_the_base64_of_a_value_is_the_embedding_from_its_16th_character_on(stored: StoredVector) -> None:
    assert base64.b64encode(stored.kept())[16:] == stored.base64()
    assert base64.b64decode(stored.base64(), validate=True) == stored.floats().tobytes()


def test_the_stored_form_is_this_one_and_what_is_in_caches_stays_readable() -> None:
    key = bytes(range(32))
    stored = encode(key, np.array([1.0, -2.5], np.float32), 7, estimated=True)
    head, numbers = bytes.fromhex("03000200 07000080"), bytes.fromhex("0000803f 000020c0")
    assert stored.kept() == head + sum_of(key + head + base64.b64encode(numbers)) + numbers
    head = b"\x02" + head[1:]
    second = decode(key, head + sum_of(key + head + numbers) + numbers, 2)
    assert second is not None
    assert (second.floats().tolist(), second.tokens, second.tokens_estimated) == ([1.0, -2.5], 7, True)
    assert bytes(second.base64()) == bytes(stored.base64())
    assert decode(key, head + sum_of(key + head + numbers[::-1]) + numbers, 2) is None


def sum_of(content: bytes) -> bytes:
    """Return a checksum as it stands in a header."""
    return zlib.crc32(content).to_bytes(4, "little")


@pytest.mark.parametrize("form", [np.array([[1, 9], [2, 9]], ">f4")[:, 0], np.array([1, 2], np.float64)])
def test_a_vector_in_any_layout_is_stored_in_the_same_bytes(form: FloatVector) -> None:
    assert encode(KEY, form, 1, estimated=False) == encode(KEY, np.array([1, 2], np.float32), 1, estimated=False)


@given(STORED, st.data())
def test_a_bit_that_flips_anywhere_makes_a_miss(stored: StoredVector, data: st.DataObject) -> None:
    damaged = bytearray(stored.kept())
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    assert decode(KEY, bytes(damaged), stored.dimensions) is None


@given(STORED, st.binary(max_size=9), st.integers(0, 200))
def test_a_value_that_is_shorter_or_longer_is_a_miss(stored: StoredVector, more: bytes, cut_at: int) -> None:
    assert decode(KEY, stored.kept()[:cut_at], stored.dimensions) is None or cut_at >= len(stored.kept())
    assert decode(KEY, stored.kept() + more, stored.dimensions) is None or not more
    assert decode(KEY, more + stored.kept(), stored.dimensions) is None or not more


@given(STORED, st.binary(min_size=32, max_size=32), st.integers(0, 70_000))
def test_a_value_is_a_miss_under_another_key_and_at_another_size(stored: StoredVector, key: bytes, size: int) -> None:
    assert decode(key, stored.kept(), stored.dimensions) is None or key == KEY
    assert decode(KEY, stored.kept(), size) is None or size == stored.dimensions


@given(st.binary(max_size=64), st.integers(0, 20))
def test_any_bytes_are_a_miss_or_a_vector_and_never_an_error(value: bytes, dimensions: int) -> None:
    decoded = decode(KEY, value, dimensions)
    assert decoded is None or decoded.kept() == value


def kept(number: int) -> tuple[bytes, bytes]:
    """Return a key and what is kept under it: four numbers, float32."""
    key = hashlib.sha256(bytes([number])).digest()
    return key, encode(key, np.full(4, number, np.float32), number, estimated=number % 2 == 0).kept()


def damaged(number: int, bit: int) -> tuple[bytes, bytes]:
    key, value = kept(number)
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return key, bytes(changed)


def others(number: int) -> list[tuple[bytes, bytes]]:
    """Return what is not in the usual form, or not what it is said to be."""
    key, value = kept(number)
    numbers = np.arange(4, dtype=np.float32)
    half = encode(key, numbers, number, estimated=False, storage="f16")
    longer = encode(key, np.zeros(5, np.float32), number, estimated=False)
    unsummed = bytes([1]) + value[1:8] + key[:4] + value[12:]
    kinds = [half.kept(), packed(half).kept(), packed(encode(key, numbers, 1, estimated=True)).kept(), longer.kept()]
    second = second_version(key, value)
    kinds += [unsummed, second, second[:-1] + b"0", b"", value[:11], value + b"0"]
    return [(KEY, value), too_long(number), *((key, one) for one in kinds)]


@pytest.mark.parametrize("number", [0, 1, 255])
def test_what_is_summed_rightly_but_of_no_right_size_or_form_is_a_miss(number: int) -> None:
    key, value = kept(number)
    halves = encode(key, np.zeros(4, np.float32), 1, estimated=False, storage="f16").kept()
    assert decode(*too_long(number), 4) is None
    assert decode(key, b"\x01" + value[1:8] + key[:4] + value[12:], 4) is not None
    assert decode(key, b"\x01" + halves[1:8] + key[:4] + halves[12:], 4) is None
    assert decode(key, second_version(key, value + b"four"), 4) is None


def test_vectors_whose_headers_do_not_tell_them_apart_are_unequal() -> None:
    key, value = kept(1)
    unsummed = b"\x01" + value[1:8] + key[:4]
    one, same, other = (decode(key, unsummed + numbers, 4) for numbers in (value[12:], value[12:], bytes(16)))
    assert one is not None
    assert (one, hash(one)) == (same, hash(same))
    assert one != other


@pytest.mark.parametrize("storage", ["f32", "f16"])
def test_what_is_alone_has_nothing_of_what_only_a_store_or_an_answer_needs(storage: Storage) -> None:
    smaller = packed(encode(KEY, np.zeros(4, np.float32), 1, estimated=True, storage=storage))
    assert smaller.packed is not None
    alone = smaller.alone()
    assert (alone.packed, alone.encoded) == (None, None)
    assert (alone, alone.tokens, alone.tokens_estimated) == (smaller, 1, True)


def second_version(key: bytes, value: bytes) -> bytes:
    head, numbers = b"\x02" + value[1:8], value[12:]
    return head + sum_of(key + head + numbers) + numbers


def too_long(number: int) -> tuple[bytes, bytes]:
    """Return what says that it has four numbers, has five, and has the sum of all that."""
    key, value = kept(number)
    head, numbers = value[:8], value[12:] + b"five"
    return key, head + sum_of(key + head + base64.b64encode(numbers)) + numbers


USUAL = st.integers(0, 255).map(kept) | st.builds(damaged, st.integers(0, 255), st.integers(0, 8 * 28 - 1))


def row(pair: tuple[bytes, bytes], expires_s: int = 7) -> Row:
    """Return what is kept under a key as DynamoDB sends it."""
    key, value = pair
    return key, value[:12], memoryview(base64.b64encode(value[12:])), expires_s


def decoded(rows: Sequence[Row], now_s: float) -> tuple[dict[bytes, StoredVector], int]:
    found: dict[bytes, StoredVector] = {}
    corrupt = decode_all(rows, 4, now_s, found)
    return found, corrupt


def each_alone(pairs: Sequence[tuple[bytes, bytes]]) -> tuple[dict[bytes, StoredVector], int]:
    vectors = [decode(key, value, 4) for key, value in pairs]
    found = {key: vector for (key, _), vector in zip(pairs, vectors, strict=True) if vector is not None}
    return found, sum(vector is None for vector in vectors)


@pytest.mark.parametrize("other", others(1))
def test_what_is_not_as_usual_is_decoded_among_many_as_it_is_alone(other: tuple[bytes, bytes]) -> None:
    for pairs in ([other], [kept(2), other], [other, kept(2)], [other, other]):
        rows = [row(pair) for pair in pairs]
        assert decoded(rows, 6) == each_alone(pairs)
        assert decoded(rows, 7) == ({}, 0), "of what has expired nothing is said"


@given(st.lists(USUAL) | st.lists(USUAL | st.integers(0, 255).flatmap(lambda number: st.sampled_from(others(number)))))
def test_many_are_decoded_as_each_is(pairs: list[tuple[bytes, bytes]]) -> None:
    rows = [row(pair, 7 + at % 3) for at, pair in enumerate(pairs)]
    valid = [pair for pair, one in zip(pairs, rows, strict=True) if one[3] > 7]
    found, corrupt = decoded(rows, 7)
    alone, corrupt_alone = each_alone(valid)
    assert (found, corrupt) == (alone, corrupt_alone)
    for key, one in found.items():
        assert one.expires_s in {expires_s for other_key, _, _, expires_s in rows if other_key == key}
        assert one.floats().tobytes() == alone[key].floats().tobytes()
        assert bytes(one.base64()) == bytes(alone[key].base64())
        assert (one.tokens, one.tokens_estimated) == (alone[key].tokens, alone[key].tokens_estimated)
        assert one.kept() == alone[key].kept()


@given(st.integers(0, 255), st.binary(max_size=3), st.integers(0, 24))
def test_a_text_that_is_not_the_one_that_was_summed_is_corrupt(number: int, piece: bytes, at: int) -> None:
    key, head, text, expires_s = row(kept(number))
    garbled = bytearray(text)
    garbled[at : at + len(piece)] = piece
    found, corrupt = decoded([(key, head, bytes(garbled), expires_s)], 6)
    assert (len(found), corrupt) == ((1, 0) if garbled == text else (0, 1))


@given(st.integers(0, 255), st.binary(max_size=24))
def test_what_is_no_base64_is_corrupt_in_whatever_form_an_entry_is(number: int, text: bytes) -> None:
    rows = [(key, value[:12], text, 7) for key, value in others(number)]
    found, corrupt = decoded(rows, 6)
    assert len(found) + corrupt == len(rows)
    assert all(one.numbers() == base64.b64decode(text) for one in found.values())


def test_a_vector_is_the_same_whether_its_numbers_are_there_or_their_base64() -> None:
    key, value = kept(3)
    alone, (found, _) = decode(key, value, 4), decoded([row((key, value))], 6)
    assert alone is not None
    as_text = found[key]
    assert (as_text.body, as_text.encoded) == (None, base64.b64encode(value[12:]))
    assert (as_text, hash(as_text), as_text.size_bytes()) == (alone, hash(alone), 16)
    assert (as_text.alone().body, as_text.alone().encoded) == (value[12:], None)
    assert as_text.alone() == as_text
    for vector in (as_text, alone, as_text.alone()):
        assert is_of(key, vector)
        assert not is_of(KEY, vector)
    assert alone != decode(KEY, encode(KEY, alone.floats(), 3, estimated=False).kept(), 4)
    assert as_text != value


def test_the_view_of_a_vector_cannot_be_written_to() -> None:
    view = encode(KEY, np.array([1.0], np.float32), 1, estimated=False).floats()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2.0


@given(VECTORS, st.data())
def test_a_cut_is_the_reference_in_double_precision_added_in_order(vector: FloatVector, data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, len(vector)))
    head = [float(number) for number in vector[:dimensions]]
    total = 0.0
    for number in head:
        total += number * number
    expected = head if total == 0 else [number / math.sqrt(total) for number in head]
    before = vector.tobytes()
    assert cut(vector, dimensions).tobytes() == np.array(expected, np.float32).tobytes()
    assert vector.tobytes() == before


@given(VECTORS.filter(lambda vector: bool(np.any(vector))), st.data())
def test_a_cut_vector_has_length_one_or_nothing_to_scale(vector: FloatVector, data: st.DataObject) -> None:
    shorter = cut(vector, data.draw(st.integers(1, len(vector))))
    length = math.sqrt(sum(float(number) ** 2 for number in shorter))
    assert length == pytest.approx(1, abs=1e-6) or not shorter.any()


def test_a_cut_is_added_up_one_by_one_as_on_every_processor() -> None:
    # With this seed, numpy's `sum`, whose order depends on the processor, gives another last bit.
    vector = np.random.default_rng(55).standard_normal(65_535).astype(np.float32)
    total = 0.0
    for number in vector.astype(np.float64).tolist():
        total += number * number
    reference = (vector.astype(np.float64) / math.sqrt(total)).astype(np.float32)
    assert cut(vector, len(vector)).tobytes() == reference.tobytes()


def test_a_vector_of_zeros_is_cut_to_zeros() -> None:
    assert cut(np.zeros(8, np.float32), 3).tolist() == [0, 0, 0]
