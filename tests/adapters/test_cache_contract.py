"""Does every cache do what the port says?"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.cache_memory import MemoryCache
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.vector_codec import StoredVector, encode
from tests.adapters.stores import HASH, LEAN, STORES, dynamodb_table
from tests.fakes import FakeCache, FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import Cache

_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class Tried:
    """A cache, its time, and the faults that it counted."""

    cache: Cache
    clock: FakeClock
    faults: list[str]


@pytest.fixture(params=[*STORES, LEAN, "memory", "no memory"])
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    clock, faults = FakeClock(), list[str]()
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield Tried(SqliteCache(state, clock, faults.append), clock, faults)
            state.close()
        case "dynamodb" | "lean dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, HASH, request.param) as (aws, table):
                limits = CacheLimits(read_limit_s=10, write_limit_s=10)
                yield Tried(DynamoDbCache(aws, table, clock, limits, faults.append), clock, faults)
        case "memory" | "no memory":
            behind = FakeCache(clock)
            most_bytes = 100_000_000 if request.param == "memory" else 0
            yield Tried(MemoryCache(behind, clock, most_bytes), clock, behind.faults)
        case _:
            fake = FakeCache(clock)
            yield Tried(fake, clock, fake.faults)


def entry(name: str) -> tuple[bytes, StoredVector]:
    key = hashlib.sha256(name.encode()).digest()
    vector = np.frombuffer(key[: 4 * _DIMENSIONS], dtype="<u4").astype(np.float32)
    return key, encode(key, vector, len(name), estimated=name.endswith("?"))


async def test_a_hit_is_what_was_kept_to_the_last_byte(tried: Tried) -> None:
    entries = dict(map(entry, ("one", "two?")))
    await tried.cache.put_many(entries, 60)
    assert await tried.cache.get_many(list(entries), _DIMENSIONS) == entries
    assert tried.faults == []


async def test_what_is_not_kept_is_missing_and_no_fault(tried: Tried) -> None:
    one, two = entry("one"), entry("two")
    await tried.cache.put_many(dict([one]), 60)
    assert await tried.cache.get_many([one[0], two[0]], _DIMENSIONS) == dict([one])
    assert await tried.cache.get_many([], _DIMENSIONS) == {}
    assert tried.faults == []


async def test_a_key_may_be_asked_for_twice(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    assert await tried.cache.get_many([key, key], _DIMENSIONS) == {key: stored}
    assert tried.faults == []


async def test_an_entry_is_a_miss_from_the_second_it_expires_and_no_earlier(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    tried.clock.pass_time(59)
    assert key in await tried.cache.get_many([key], _DIMENSIONS)
    tried.clock.pass_time(1)
    assert await tried.cache.get_many([key], _DIMENSIONS) == {}
    assert tried.faults == []


async def test_what_is_read_says_when_it_expires(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    tried.clock.pass_time(10)
    found = await tried.cache.get_many([key], _DIMENSIONS)
    assert found[key].expires_s in {0, int(tried.clock.now_s()) + 50}, "0 while it has never left this process"


async def test_writing_again_prolongs(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    tried.clock.pass_time(50)
    await tried.cache.put_many({key: stored}, 60)
    tried.clock.pass_time(50)
    assert key in await tried.cache.get_many([key], _DIMENSIONS)


async def test_a_vector_kept_under_another_key_is_a_miss_and_counted(tried: Tried) -> None:
    (one, _), (two, stored) = entry("one"), entry("two")
    await tried.cache.put_many({one: stored, two: stored}, 60)
    assert await tried.cache.get_many([one, two], _DIMENSIONS) == {two: stored}
    assert tried.faults == ["corrupt"]


async def test_a_vector_of_another_size_is_a_miss_and_counted(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    assert await tried.cache.get_many([key], _DIMENSIONS + 1) == {}
    assert tried.faults == ["corrupt"]


def again(name: str) -> tuple[bytes, StoredVector]:
    """The same text as somebody else embeds it: another vector under the same key."""
    key, stored = entry(name)
    return key, encode(key, stored.floats() * 2, stored.tokens, estimated=stored.tokens_estimated)


async def test_of_two_who_keep_first_the_first_stands_and_the_second_has_it(tried: Tried) -> None:
    (key, mine), (_, theirs) = entry("one"), again("one")
    other, new = entry("two")
    assert await tried.cache.keep_first({key: mine}, 60) == {key: mine}
    assert await tried.cache.keep_first({key: theirs, other: new}, 60) == {key: mine, other: new}
    assert await tried.cache.get_many([key, other], _DIMENSIONS) == {key: mine, other: new}
    assert tried.faults == []


async def test_of_two_at_once_exactly_one_stands_and_the_other_has_it(tried: Tried) -> None:
    for name in map(str, range(5)):
        (key, one), (_, two) = entry(name), again(name)
        first, second = await asyncio.gather(
            tried.cache.keep_first({key: one}, 60), tried.cache.keep_first({key: two}, 60)
        )
        answers = {first[key], second[key]}
        assert answers == {(await tried.cache.get_many([key], _DIMENSIONS))[key]}
    assert tried.faults == []


async def test_what_has_expired_is_nobody_s_first(tried: Tried) -> None:
    (key, old), (_, new) = entry("one"), again("one")
    await tried.cache.put_many({key: old}, 60)
    tried.clock.pass_time(59)
    assert await tried.cache.keep_first({key: new}, 60) == {key: old}
    tried.clock.pass_time(1)
    assert await tried.cache.keep_first({key: new}, 60) == {key: new}
    assert await tried.cache.get_many([key], _DIMENSIONS) == {key: new}


async def test_what_nobody_can_read_does_not_stand_in_the_way(tried: Tried) -> None:
    (key, mine), (_, stored) = entry("one"), entry("two")
    await tried.cache.put_many({key: stored}, 60)
    assert await tried.cache.keep_first({key: mine}, 60) == {key: mine}
    assert tried.faults == ["corrupt"]
    assert await tried.cache.get_many([key], _DIMENSIONS) == {key: mine}


async def test_as_many_as_a_request_may_have_are_kept_and_found(tried: Tried) -> None:
    entries = dict(entry(str(number)) for number in range(2048))
    await tried.cache.put_many(entries, 60)
    assert await tried.cache.get_many(list(entries), _DIMENSIONS) == entries
    assert tried.faults == []
