"""Does a process hold what was used last, never more than it may, and never what has expired?"""

from __future__ import annotations

import gc
import tracemalloc
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.held_vectors import OVERHEAD_BYTES, HeldVectors
from embedge.core.vector_codec import StoredVector, encode, packed

_SIZES = (1, 2, 3)
_STEP = st.tuples(
    st.sampled_from(["put", "get"]),
    st.integers(0, 9),  # the key
    st.sampled_from(["a", "b", "c"]),  # the tenant
    st.sampled_from(_SIZES),
    st.integers(1, 20),  # when it expires, or what time it is
)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def vector(number: int, dimensions: int) -> StoredVector:
    return encode(key(number), np.full(dimensions, number, np.float32), 1, estimated=False)


def size_bytes(dimensions: int) -> int:
    return vector(0, dimensions).size_bytes() + OVERHEAD_BYTES


@given(steps=st.lists(_STEP, max_size=80), places=st.integers(0, 12))
def test_it_holds_what_was_used_last_within_the_bound_and_half_of_it_a_tenant_s(
    steps: list[tuple[str, int, str, int, int]], places: int
) -> None:
    most = places * size_bytes(1)
    held, model = HeldVectors(most), OrderedDict[int, tuple[str, int, int]]()
    for what, number, tenant, dimensions, second in steps:
        if what == "get":
            found = held.get(key(number), second)
            if number in model and model[number][2] <= second:
                del model[number]
            assert (found is not None) == (number in model)
            if found is not None:
                assert found == vector(number, model[number][1])
                model.move_to_end(number)
            continue
        held.put(key(number), vector(number, dimensions), second, tenant)
        model.pop(number, None)
        if size_bytes(dimensions) <= most // 2:
            model[number] = tenant, dimensions, second
        _evict(model, most, tenant)
        assert held.total_bytes == _bytes(model) <= most
        assert all(_bytes(model, one) <= most // 2 for one in "abc")
    assert [number for number in range(10) if held.get(key(number), 0) is not None] == sorted(model)


def _bytes(model: OrderedDict[int, tuple[str, int, int]], tenant: str | None = None) -> int:
    return sum(size_bytes(dimensions) for owner, dimensions, _ in model.values() if tenant in {None, owner})


def _evict(model: OrderedDict[int, tuple[str, int, int]], most: int, tenant: str) -> None:
    while _bytes(model, tenant) > most // 2:
        del model[next(number for number, (owner, _, _) in model.items() if owner == tenant)]
    while _bytes(model) > most:
        model.popitem(last=False)


@pytest.mark.parametrize("dimensions", [64, 1536])
def test_what_is_counted_is_at_least_what_is_taken(dimensions: int) -> None:
    held = HeldVectors(10**9)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(5_000):
            # As they come: a key and a value of their own, and an expiry that nobody else has.
            held.put(key(number), vector(number, dimensions), 1_800_000_000 + number, "acme")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    taken = after - before
    assert taken <= held.total_bytes < 1.2 * taken


@pytest.mark.parametrize(
    "stored", [packed(vector(1, 1536)), replace(vector(1, 1536), encoded=memoryview(b"a whole reply")[2:7])]
)
def test_what_only_a_store_or_an_answer_needs_takes_no_room(stored: StoredVector) -> None:
    held = HeldVectors(10**6)
    assert (stored.packed, stored.encoded) != (None, None)
    held.put(key(1), stored, 10, "a")
    found = held.get(key(1), 0)
    assert found is not None
    assert (found, found.packed, found.encoded) == (stored, None, None)


def test_of_several_keys_what_is_held_and_has_not_expired_is_found_and_was_used_last() -> None:
    held = HeldVectors(4 * size_bytes(1))
    held.put(key(1), vector(1, 1), 10, "a")
    held.put(key(2), vector(2, 1), 20, "a")
    assert held.get_all([key(3), key(1)], 9) == {key(1): vector(1, 1)}
    held.put(key(4), vector(4, 1), 20, "a")  # the tenant's half is two: what was used longest ago goes
    assert held.get_all([key(1), key(2), key(4)], 9) == {key(1): vector(1, 1), key(4): vector(4, 1)}
    assert held.get_all([key(1), key(4)], 10) == {key(4): vector(4, 1)}
    assert held.total_bytes == size_bytes(1)
