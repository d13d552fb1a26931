"""Can an operator go through every cache, delete what is doomed, and nothing else?"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.cache_entries_dynamodb import DynamoDbCacheEntries
from embedge.adapters.cache_entries_sqlite import SqliteCacheEntries
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.cache_key import Keyring, space_id
from embedge.core.provenance import Provenance
from embedge.core.route import Space
from embedge.core.vector_codec import encode
from embedge.purging import ALL, Part, of_space, of_tenant
from tests.adapters.stores import HASH, STORES, dynamodb_table
from tests.fakes import FakeCache, FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import Cache, CacheEntries

SMALL, LARGE = (Space(name, "1", 2, normalised=True) for name in ("small", "large"))
NOW_S = int(FakeClock().now_s())
Who: TypeAlias = tuple[str | None, Space]
EVERYBODY: list[Who] = [("acme", SMALL), ("acme", LARGE), ("umbrella", SMALL), (None, SMALL)]


class Tried:
    """A cache, and what an operator sees of it."""

    def __init__(self, cache: Cache, entries: CacheEntries, clock: FakeClock) -> None:
        self.cache, self.entries, self.clock = cache, entries, clock

    async def keep(self, who: Who, text: str) -> None:
        keys = Keyring(*who)
        key = keys.key(text)
        vector = encode(key, np.ones(2, np.float32), 1, estimated=False)
        await self.cache.put_many({key: vector}, 9999, provenance=Provenance(keys.owner, {key: "one"}))

    async def has(self, who: Who, text: str) -> bool:
        key = Keyring(*who).key(text)
        return key in await self.cache.get_many([key], 2)

    async def sweep(self, part: Part, limit: int, before_s: int = NOW_S + 1) -> tuple[int, int]:
        """Sweep to the end; return how many entries were looked at and deleted."""
        after, seen, deleted = None, 0, 0
        for _ in range(1000):
            swept = await self.entries.sweep(part.doomed(before_s), after, limit)
            after, seen, deleted = swept.last, seen + swept.seen, deleted + swept.deleted
            assert swept.seen <= limit
            if after is None:
                return seen, deleted
        raise AssertionError("it never ends")


@pytest.fixture(params=STORES)
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    clock, faults = FakeClock(), list[str]()
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield Tried(SqliteCache(state, clock, faults.append), SqliteCacheEntries(state), clock)
            state.close()
        case "dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, HASH) as (aws, table):
                cache = DynamoDbCache(aws, table, clock, CacheLimits(10, 10), faults.append)
                yield Tried(cache, DynamoDbCacheEntries(aws, table), clock)
        case _:
            fake = FakeCache(clock)
            yield Tried(fake, fake, clock)
    assert faults == []


PARTS = {
    "everything": (ALL, EVERYBODY),
    "a tenant": (of_tenant("acme"), [("acme", SMALL), ("acme", LARGE)]),
    "a space": (of_space(space_id(SMALL)), [("acme", SMALL), ("umbrella", SMALL), (None, SMALL)]),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_sweep_deletes_its_part_and_nothing_else(tried: Tried, part: str, limit: int) -> None:
    doomed, whose = PARTS[part]
    for who in EVERYBODY:
        for text in "ab":
            await tried.keep(who, text)
    assert await tried.sweep(doomed, limit) == (8, 2 * len(whose))
    assert [await tried.has(who, text) for who in EVERYBODY for text in "ab"] == [
        who not in whose for who in EVERYBODY for _ in "ab"
    ]


async def test_what_was_written_after_the_purge_stays(tried: Tried) -> None:
    await tried.keep(("acme", SMALL), "before")
    tried.clock.pass_time(1)
    await tried.keep(("acme", SMALL), "after")
    assert await tried.sweep(ALL, 10) == (2, 1)
    assert await tried.has(("acme", SMALL), "after")


async def test_entries_that_do_not_say_whose_they_are_are_left_to_expire(tried: Tried) -> None:
    key = bytes(32)
    await tried.cache.put_many({key: encode(key, np.ones(2, np.float32), 1, estimated=False)}, 9999)
    assert await tried.sweep(ALL, 10) == (1, 0)


async def test_more_than_a_write_takes_are_deleted(tried: Tried) -> None:
    for number in range(60):
        await tried.keep(("acme", SMALL), str(number))
    assert await tried.entries.count() == 60
    assert await tried.sweep(ALL, 60) == (60, 60)
    assert await tried.sweep(ALL, 60) == (0, 0)
