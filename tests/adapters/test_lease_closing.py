"""Are the leases of dead processes closed once, with what was never authorised, whoever else is at it?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.lease_items_dynamodb import DynamoDbLeaseItems
from embedge.adapters.lease_items_sqlite import SqliteLeaseItems
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.balance import Claim
from embedge.core.conditional_update import Assign, Attribute, Compare, ConditionalUpdate
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.lease_closing import close_dead_leases
from tests.adapters.stores import PAIR, STORES, dynamodb_table
from tests.fakes import FakeLeaseItems, FakeLedgerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.core.conditional_update import Item
    from embedge.ports import LeaseItems, LedgerTable

LIMIT = 10_000_000
LIMITS = Limits(10**6, 10**9, LIMIT, 10 * LIMIT, NO_LIMIT)
ACME = Principal("acme", frozenset(), (), LIMITS)
COST = 10
LATER_S = 3_600


@dataclass(frozen=True, slots=True)
class Tried:
    """A ledger's table, and its leases."""

    table: LedgerTable
    leases: LeaseItems

    async def balance(self, tenant: str = "acme") -> Item:
        look = ConditionalUpdate((Assign("cv", Attribute("cv")),), (Compare("cv", "<", -1),))
        item = (await self.table.apply(tenant, "B", look)).item
        assert item is not None
        return item

    def now_s(self) -> float:
        return SystemClock().now_s()


@pytest.fixture(params=STORES)
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield Tried(SqliteLedgerTable(state, SystemClock()), SqliteLeaseItems(state))
            state.close()
        case "dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, PAIR) as (aws, table):
                yield Tried(DynamoDbLedgerTable(aws, table), DynamoDbLeaseItems(aws, table))
        case _:
            table = FakeLedgerTable(SystemClock())
            yield Tried(table, FakeLeaseItems(table))


async def busy(tried: Tried, requests: int = 60, who: Principal = ACME) -> PurseLedger:
    """Return a process that has paid so many requests, and holds a lease by then."""
    ledger = PurseLedger(tried.table, SystemClock())
    for _ in range(requests):
        hold = await ledger.take(who, Claim(COST, 1))
        (await hold.attempt(COST, COST)).billed(COST)
        await hold.settle()
    return ledger


async def test_a_busy_process_has_a_lease_and_its_requests_are_few_writes(tried: Tried) -> None:
    await busy(tried)
    item = await tried.balance()
    (lease,) = await tried.leases.due(tried.now_s() + LATER_S)
    assert lease.tenant() == "acme"
    assert item["x"] == lease.item["C"] == 400 * COST
    assert item["dl"] - item["da"] == 8 * COST + lease.item["C"]


async def test_who_closes_gives_all_back_that_was_not_spent(tried: Tried) -> None:
    ledger = await busy(tried)
    await ledger.close()
    item = await tried.balance()
    assert [item[limit] - item[left] for limit, left in (("dl", "da"), ("ml", "ma"), ("tl", "ta"))] == [60 * COST] * 3
    assert item["x"] == item["lo"] == 0
    assert not await tried.leases.due(tried.now_s() + LATER_S)


async def test_of_a_dead_process_what_was_never_authorised_goes_back_once_and_the_rest_is_reported(
    tried: Tried,
) -> None:
    await busy(tried)
    (lease,) = await tried.leases.due(tried.now_s() + LATER_S)
    assert not (await close_dead_leases(tried.table, tried.leases, tried.now_s())).closed  # its time is not over
    report = await close_dead_leases(tried.table, tried.leases, tried.now_s() + LATER_S)
    (closed,) = report.closed
    assert (closed.tenant, report.unknown) == ("acme", 0)
    # A twentieth is authorised at a time, and each time its holder says what it has spent by then.
    assert lease.item["A"] == 60 * COST
    assert closed.lost_nano_usd == lease.item["A"] - lease.item["k"] == 20 * COST
    assert closed.given_back_nano_usd == lease.item["C"] - lease.item["A"]
    item = await tried.balance()
    assert item["dl"] - item["da"] == 8 * COST + lease.item["A"]
    assert (item["x"], item["lo"]) == (0, closed.lost_nano_usd)
    assert not (await close_dead_leases(tried.table, tried.leases, tried.now_s() + LATER_S)).closed
    assert await tried.balance() == item


async def test_many_who_close_at_once_give_back_once(tried: Tried) -> None:
    await busy(tried)
    later_s = tried.now_s() + LATER_S
    reports = await asyncio.gather(*(close_dead_leases(tried.table, tried.leases, later_s) for _ in range(5)))
    assert sum(len(report.closed) for report in reports) == 1
    item = await tried.balance()
    assert item["dl"] - item["da"] == 68 * COST
    assert item["lo"] == 20 * COST


async def test_a_holder_that_lives_after_all_spends_what_it_had_and_no_more_and_returns_the_rest(tried: Tried) -> None:
    ledger = await busy(tried)
    await close_dead_leases(tried.table, tried.leases, tried.now_s() + LATER_S)
    for _ in range(60):
        hold = await ledger.take(ACME, Claim(COST, 1))
        (await hold.attempt(COST, COST)).billed(COST)
        await hold.settle()
        item = await tried.balance()
        assert item["dl"] - item["da"] >= 61 * COST
    await ledger.close()
    item = await tried.balance()
    assert item["dl"] - item["da"] == 120 * COST
