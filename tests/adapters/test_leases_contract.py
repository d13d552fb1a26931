"""Does one of many get a lease, for as long as it said, and nobody one on what is kept already?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.leases_dynamodb import DynamoDbLeases
from embedge.adapters.leases_sqlite import SqliteLeases
from embedge.adapters.sqlite_state import SqliteState
from tests.adapters.dynamodb_stub import dynamodb_stub, error
from tests.adapters.stores import HASH, LEAN, STORES, dynamodb_table
from tests.adapters.test_cache_contract import entry
from tests.fakes import FakeCache, FakeClock, FakeLeases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import Cache, Leases

_LIMITS = CacheLimits(read_limit_s=10, write_limit_s=10)


@dataclass(frozen=True, slots=True)
class Tried:
    """Leases, the cache that they are on, their time, and the faults that were counted."""

    leases: Leases
    cache: Cache
    clock: FakeClock
    faults: list[str]


@pytest.fixture(params=[*STORES, LEAN])
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    clock, faults = FakeClock(), list[str]()
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            leases = SqliteLeases(state, clock, faults.append)
            yield Tried(leases, SqliteCache(state, clock, faults.append), clock, faults)
            state.close()
        case "dynamodb" | "lean dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, HASH, request.param) as (aws, table):
                cache = DynamoDbCache(aws, table, clock, _LIMITS, faults.append)
                yield Tried(DynamoDbLeases(aws, table, clock, faults.append), cache, clock, faults)
        case _:
            fake = FakeCache(clock)
            yield Tried(FakeLeases(fake, clock), fake, clock, fake.faults)


async def test_one_of_many_gets_it(tried: Tried) -> None:
    (one, _), (two, _) = entry("one"), entry("two")
    got = await asyncio.gather(*(tried.leases.take([one, two], 2) for _ in range(8)))
    assert sorted(key for keys in got for key in keys) == sorted([one, two])
    assert tried.faults == []


async def test_it_ends_by_itself(tried: Tried) -> None:
    key, _ = entry("one")
    assert list(await tried.leases.take([key], 2)) == [key]
    tried.clock.pass_time(1)
    assert list(await tried.leases.take([key], 2)) == []
    tried.clock.pass_time(1)
    assert list(await tried.leases.take([key], 2)) == [key]


async def test_what_is_leased_is_a_miss_and_no_fault_and_can_be_written(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.leases.take([key], 2)
    assert await tried.cache.get_many([key], stored.dimensions) == {}
    await tried.cache.put_many({key: stored}, 60)
    assert await tried.cache.get_many([key], stored.dimensions) == {key: stored}
    assert tried.faults == []


async def test_what_is_kept_cannot_be_leased_until_it_expires_and_stays_what_it_is(tried: Tried) -> None:
    key, stored = entry("one")
    await tried.cache.put_many({key: stored}, 60)
    assert list(await tried.leases.take([key], 2)) == []
    assert await tried.cache.get_many([key], stored.dimensions) == {key: stored}
    tried.clock.pass_time(60)
    assert list(await tried.leases.take([key], 2)) == [key]


async def test_where_a_lease_cannot_be_had_everybody_has_it() -> None:
    key, _ = entry("one")
    faults: list[str] = []
    async with dynamodb_stub(lambda _operation, _arguments: error("AccessDeniedException")) as (aws, _):
        leases = DynamoDbLeases(aws, "t", FakeClock(), faults.append)
        assert [list(await leases.take([key], 2)) for _ in range(2)] == [[key], [key]]
        assert faults == ["lease", "lease"]
    nowhere = AwsClients(StandIn("http://127.0.0.1:9", "us-east-1", "test", "test"))
    assert list(await DynamoDbLeases(nowhere, "t", FakeClock(), faults.append).take([key], 2)) == [key]
    await nowhere.close()


async def test_a_table_that_is_gone_leases_to_everybody(tmp_path: Path) -> None:
    key, _ = entry("one")
    faults: list[str] = []
    state = SqliteState(tmp_path / "state.db")
    leases = SqliteLeases(state, FakeClock(), faults.append)
    state.connection.execute("DROP TABLE lease")
    assert list(await leases.take([key], 2)) == [key]
    assert faults == ["lease"]
    state.close()


async def test_a_lease_is_nobody_s_first_vector(tried: Tried) -> None:
    key, stored = entry("one")
    assert await tried.leases.take([key], 10) == [key]
    assert await tried.cache.keep_first({key: stored}, 60) == {key: stored}
    assert await tried.cache.get_many([key], stored.dimensions) == {key: stored}
