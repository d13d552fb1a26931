"""Is what is at hand the same as what is kept, never older than it may be, and nobody's at another's cost?"""

from __future__ import annotations

from embedge.adapters.cache_memory import MemoryCache
from embedge.core.held_vectors import OVERHEAD_BYTES
from embedge.core.provenance import OWNER_BYTES, Provenance
from tests.adapters.test_cache_contract import again, entry
from tests.fakes import FakeCache, FakeClock

_DIMENSIONS = 4
_PLACE_BYTES = entry("one")[1].size_bytes() + OVERHEAD_BYTES


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


async def test_what_another_process_kept_first_is_in_memory_and_what_lost_is_not() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    (key, theirs), (_, mine) = entry("one"), again("one")
    await behind.put_many({key: theirs}, 60)
    clock.pass_time(50)
    cache = MemoryCache(behind, clock, 10**6)
    assert await cache.keep_first({key: mine}, 60) == {key: theirs}
    assert await cache.get_many([key], _DIMENSIONS) == {key: theirs}
    assert behind.reads == 0
    clock.pass_time(10)
    assert await cache.get_many([key], _DIMENSIONS) == {}


async def test_what_may_not_have_been_kept_first_is_asked_for_again() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    cache, (key, stored) = MemoryCache(behind, clock, 10**6), entry("one")
    behind.down = True
    assert await cache.keep_first({key: stored}, 60) == {}
    assert await cache.get_many([key], _DIMENSIONS) == {}


async def test_whose_an_entry_is_and_who_made_it_is_kept_behind() -> None:
    clock = FakeClock()
    behind = FakeCache(clock)
    cache, (one, first), (two, second) = MemoryCache(behind, clock, 10**6), entry("one"), entry("two")
    provenance = Provenance(b"o" * OWNER_BYTES, {one: "first", two: "second"})
    await cache.put_many({one: first}, 60, provenance=provenance)
    await cache.keep_first({two: second}, 60, provenance=provenance)
    assert {owner for owner, _, _ in behind.marks.values()} == {provenance.owner}
    assert {key: target for key, (_, target, _) in behind.marks.items()} == provenance.targets


async def test_what_was_not_made_for_a_key_is_not_held_under_it() -> None:
    clock = FakeClock()
    (one, first), (two, second) = entry("one"), entry("two")
    cache = MemoryCache(FakeCache(clock), clock, 10**6)
    cache.hold({one: first, two: first}, 60, "acme")
    assert cache.held([one, two], _DIMENSIONS) == {one: first}
    cache.hold({two: second}, 60, "acme")
    assert cache.held([one, two], _DIMENSIONS) == {one: first, two: second}
