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

from embedge.core.vector_codec import FloatVector, Row, StoredVector, cut, decode, decode_all, encode, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    head, numbers = bytes.fromhex("02000200 07000080"), bytes.fromhex("0000803f 000020c0")
    assert stored.kept() == head + zlib.crc32(key + head + numbers).to_bytes(4, "little") + numbers


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
    assert decoded is None or decoded.head + decoded.body == value


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
    return [(KEY, value), too_long(number), *((key, one) for one in (*kinds, unsummed, b"", value[:11], value + b"0"))]


def too_long(number: int) -> tuple[bytes, bytes]:
    """Return what says that it has four numbers, has five, and has the sum of all that."""
    key, value = kept(number)
    head, numbers = value[:8], value[12:] + b"five"
    return key, head + zlib.crc32(key + head + numbers).to_bytes(4, "little") + numbers


USUAL = st.integers(0, 255).map(kept) | st.builds(damaged, st.integers(0, 255), st.integers(0, 8 * 28 - 1))


@pytest.mark.parametrize("other", others(1))
def test_what_is_not_as_usual_is_decoded_among_many_as_it_is_alone(other: tuple[bytes, bytes]) -> None:
    for pairs in ([other], [kept(2), other], [other, kept(2)], [other, other]):
        rows = [(key, value[:12], value[12:], 7, None) for key, value in pairs]
        assert decode_all(rows, 4, 6) == together([decode(key, value, 4) for key, value in pairs], rows)
        assert decode_all(rows, 4, 7) == ({}, 0), "of what has expired nothing is said"


def together(alone: Sequence[StoredVector | None], rows: Sequence[Row]) -> tuple[dict[bytes, StoredVector], int]:
    found = {row[0]: vector for row, vector in zip(rows, alone, strict=True) if vector is not None}
    return found, sum(vector is None for vector in alone)


@given(st.lists(USUAL) | st.lists(USUAL | st.integers(0, 255).flatmap(lambda number: st.sampled_from(others(number)))))
def test_many_are_decoded_as_each_is(pairs: list[tuple[bytes, bytes]]) -> None:
    rows = [
        (key, value[:12], value[12:], 7 + at % 3, memoryview(base64.b64encode(value[12:])))
        for at, (key, value) in enumerate(pairs)
    ]
    alone = [decode(key, head + body, 4, expires_s) for key, head, body, expires_s, _ in rows]
    valid = [at for at, row in enumerate(rows) if row[3] > 7]
    found, corrupt = decode_all(rows, 4, 7)
    assert (found, corrupt) == together([alone[at] for at in valid], [rows[at] for at in valid])
    assert all(one.expires_s in {row[3] for row in rows if row[0] == key} for key, one in found.items())
    for key, one in found.items():
        alike = [other for at, other in enumerate(alone) if rows[at][0] == key and other == one]
        assert bytes(one.base64()) in [other.base64() for other in alike if other is not None]


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
