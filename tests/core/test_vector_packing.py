"""Is nothing lost by packing, is it smaller where it should be, and is nothing inflated beyond a vector's size?"""

from __future__ import annotations

import hashlib
import tracemalloc
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.vector_codec import FloatVector, StoredVector, cut, decode, encode, packed, stored_bytes
from embedge.core.vector_packing import pack, unpack

if TYPE_CHECKING:
    from embedge.core.route import Storage

KEY = hashlib.sha256(b"a key").digest()
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = st.lists(NUMBERS, min_size=1, max_size=40).map(lambda numbers: np.array(numbers, np.float32))
STORAGES: st.SearchStrategy[Storage] = st.sampled_from(["f32", "f16"])
STORED = st.builds(encode, st.just(KEY), VECTORS, st.integers(0, 99), estimated=st.booleans(), storage=STORAGES)


def like_a_models(dimensions: int) -> FloatVector:
    drawn = np.random.default_rng(7).standard_normal(dimensions)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@given(STORED, st.data())
def test_a_hit_equals_its_miss_to_the_last_bit_packed_or_not_in_every_form(
    miss: StoredVector, data: st.DataObject
) -> None:
    dimensions = data.draw(st.integers(1, miss.dimensions))
    for kept in (miss.kept(), packed(miss).kept()):
        hit = decode(KEY, kept, miss.dimensions)
        assert hit == miss
        assert hit is not None
        assert hit.floats().tobytes() == miss.floats().tobytes()
        assert hit.base64() == miss.base64()
        assert cut(hit.floats(), dimensions).tobytes() == cut(miss.floats(), dimensions).tobytes()


@given(VECTORS)
def test_packing_keeps_float32_to_the_last_bit(vector: FloatVector) -> None:
    stored = packed(encode(KEY, vector, 1, estimated=False))
    decoded = decode(KEY, stored.kept(), len(vector))
    assert decoded is not None
    assert decoded.floats().tobytes() == vector.tobytes()


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_float16_is_the_nearest_there_is_and_finite(numbers: list[float]) -> None:
    vector = np.array(numbers, np.float32)
    stored = encode(KEY, vector, 1, estimated=False, storage="f16")
    assert stored.floats().tobytes() == vector.astype(np.float16).astype(np.float32).tobytes()
    assert len(stored.kept()) == 12 + 2 * len(vector)


def test_what_is_too_large_for_float16_stays_float32() -> None:
    vector = np.array([1.0, 65_505.0], np.float32)
    stored = encode(KEY, vector, 1, estimated=False, storage="f16")
    assert decode(KEY, stored.kept(), 2) == stored
    assert stored.floats().tobytes() == vector.tobytes()


@given(STORED, st.data())
def test_a_bit_that_flips_anywhere_in_a_packed_value_is_a_miss(stored: StoredVector, data: st.DataObject) -> None:
    damaged = bytearray(packed(stored).kept())
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    decoded = decode(KEY, bytes(damaged), stored.dimensions)
    # What deflate leaves unused at the end of its last byte says nothing, and may be anything.
    assert decoded is None or (decoded == stored and bit // 8 == len(damaged) - 1)


@given(st.binary(max_size=200), st.integers(0, 40), st.sampled_from([2, 4]))
def test_any_bytes_unpack_to_that_many_numbers_or_to_none(data: bytes, dimensions: int, width: int) -> None:
    body = unpack(data, dimensions, width)
    assert body is None or len(body) == dimensions * width


def test_a_bomb_is_not_inflated() -> None:
    dimensions = 1536
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = bytes(3 * dimensions) + deflate.compress(bytes(300_000_000)) + deflate.flush()
    tracemalloc.start()
    try:
        assert unpack(bomb, dimensions, 4) is None
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("width", [2, 4])
def test_what_is_added_or_missing_is_no_packed_body(width: int) -> None:
    body = bytes(range(8 * width))
    whole = pack(body, width)
    assert unpack(whole, 8, width) == body
    assert unpack(whole + b"\0", 8, width) is None
    assert unpack(whole[:-1], 8, width) is None
    assert unpack(whole, 7, width) is None
    assert unpack(whole, 9, width) is None


@pytest.mark.parametrize(
    ("storage", "dimensions", "units"),
    [("f32", 1536, 7), ("f32z", 1536, 6), ("f16", 1536, 3), ("f32", 3072, 13), ("f32z", 3072, 11), ("f16", 3072, 6)],
)
def test_a_models_vector_takes_as_many_write_units_as_the_policy_reckons_with(
    storage: Storage, dimensions: int, units: int
) -> None:
    plain = encode(KEY, like_a_models(dimensions), 1, estimated=False, storage=storage)
    stored = plain if storage == "f32" else packed(plain)
    assert [-(-(size + 41) // 1024) for size in (len(stored.kept()), stored_bytes(dimensions, storage))] == [units] * 2


def test_a_vector_of_the_first_version_is_still_read_and_is_not_packed() -> None:
    value = bytes.fromhex("01000200 07000080 00010203 0000803f 000020c0")
    decoded = decode(bytes(range(32)), value, 2)
    assert decoded is not None
    assert (decoded.floats().tolist(), decoded.tokens, decoded.tokens_estimated) == ([1.0, -2.5], 7, True)
    assert packed(decoded).kept() == value
    assert decode(bytes(reversed(range(32))), value, 2) is None


def test_only_what_is_packed_differs_from_the_answers_form() -> None:
    stored = encode(KEY, like_a_models(64), 1, estimated=False)
    assert stored.kept() == stored.head + stored.numbers()
    assert (packed(stored).head, packed(stored).body) == (stored.head, stored.body)
    assert replace(packed(stored), packed=None) == stored
