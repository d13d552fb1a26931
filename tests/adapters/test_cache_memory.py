"""Is what is at hand the same as what is kept, never older than it may be, and nobody's at another's cost?"""

from __future__ import annotations

from embedge.adapters.cache_memory import MemoryCache
from embedge.core.held_vectors import OVERHEAD_BYTES
from tests.adapters.test_cache_contract import entry
from tests.fakes import FakeCache, FakeClock

_DIMENSIONS = 4
_PLACE_BYTES = len(entry("one")[1].value) + OVERHEAD_BYTES


async def test_what_was_read_or_written_is_not_read_again() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    (one, read), (two, written) = entry("one"), entry("two")
    await behind.put_many({one: read}, 60)
    cache = MemoryCache(behind, clock, 10**6)
    await cache.put_many({two: written}, 60)
    for reads in (1, 1):
        assert await cache.get_many([one, two], _DIMENSIONS) == {one: read, two: written}
        assert behind.reads == reads


async def test_what_was_read_is_forgotten_when_it_expires_where_it_is_kept() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    key, stored = entry("one")
    await behind.put_many({key: stored}, 60)
    cache = MemoryCache(behind, clock, 10**6)
    clock.pass_time(50)
    assert key in await cache.get_many([key], _DIMENSIONS)
    clock.pass_time(10)
    assert await cache.get_many([key], _DIMENSIONS) == {}


async def test_only_what_is_not_in_memory_is_asked_for() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    (one, first), (two, second) = entry("one"), entry("two")
    cache = MemoryCache(behind, clock, 10**6)
    await cache.put_many({one: first}, 60)
    await behind.put_many({two: second}, 60)
    behind.values.pop(one)
    assert await cache.get_many([two, one], _DIMENSIONS) == {one: first, two: second}


async def test_a_cache_that_is_down_leaves_what_is_in_memory() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    behind.down = True
    cache, (key, stored) = MemoryCache(behind, clock, 10**6), entry("one")
    await cache.put_many({key: stored}, 60)
    assert await cache.get_many([key], _DIMENSIONS) == {key: stored}


async def test_a_tenant_that_reads_a_lot_does_not_push_out_another_s() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    cache, (key, stored) = MemoryCache(behind, clock, 20 * _PLACE_BYTES), entry("one")
    await cache.put_many({key: stored}, 60, "modest")
    greedy = dict(entry(str(number)) for number in range(100))
    await cache.put_many(greedy, 60, "greedy")
    before = behind.reads
    assert await cache.get_many([key], _DIMENSIONS, "modest") == {key: stored}
    assert behind.reads == before
