"""Is what processes wrote read again, from every store?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.ledger_items_dynamodb import DynamoDbLedgerItems
from embedge.adapters.ledger_items_sqlite import SqliteLedgerItems
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.adapters.usage_rows_dynamodb import DynamoDbUsageRows
from embedge.adapters.usage_rows_sqlite import SqliteUsageRows
from embedge.core.conditional_update import Assign, ConditionalUpdate
from embedge.core.request import Observation
from tests.adapters.stores import PAIR, STORES, dynamodb_table
from tests.core.samples import principal
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import LedgerItems, LedgerTable, UsageRows


@dataclass(frozen=True, slots=True)
class Tried:
    """A ledger's table, and what an operator sees of it."""

    table: LedgerTable
    rows: UsageRows
    items: LedgerItems


@pytest.fixture(params=STORES[1:])
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    if request.param == "sqlite":
        state = SqliteState(tmp_path / "state.db")
        yield Tried(SqliteLedgerTable(state, FakeClock()), SqliteUsageRows(state), SqliteLedgerItems(state))
        state.close()
    else:
        endpoint: str = request.getfixturevalue("dynamodb_endpoint")
        async with dynamodb_table(endpoint, PAIR) as (aws, table):
            yield Tried(DynamoDbLedgerTable(aws, table), DynamoDbUsageRows(aws, table), DynamoDbLedgerItems(aws, table))


async def test_what_was_counted_is_read_by_tenant_and_by_day_and_nothing_else(tried: Tried) -> None:
    clock, faults = FakeClock(), list[str]()
    usage = LedgerUsage(tried.table, clock, Pace(0, 9), faults.append)
    await GcraRates(tried.table, clock).admit(principal())
    for tenant, project in (("acme", "a#b"), ("acme", "a#b"), ("umbrella", ""), ("acme*", "x")):
        await usage.add(Observation(tenant, project=project, model="vendor/small", inputs=2, hits=1, misses=1))
    clock.pass_time(86_400)
    await usage.add(Observation("acme", model="vendor/small", inputs=2, misses=2, cost_nano_usd=10**15))
    assert faults == []

    read = {
        (row.name.tenant, row.name.day, row.name.model): row.counts for row in await tried.rows.read(None, "2027-01-15")
    }
    assert {key: (counts.requests, counts.inputs) for key, counts in read.items()} == {
        ("acme", "2027-01-15", "vendor/small"): (2, 4),
        ("umbrella", "2027-01-15", "vendor/small"): (1, 2),
        ("acme*", "2027-01-15", "vendor/small"): (1, 2),
        ("acme", "2027-01-16", "vendor/small"): (1, 2),
    }
    assert read["acme", "2027-01-16", "vendor/small"].cost == 10**15
    assert {row.name.day for row in await tried.rows.read("acme", "2027-01-15")} == {"2027-01-15", "2027-01-16"}
    assert [row.name.day for row in await tried.rows.read("acme", "2027-01-16")] == ["2027-01-16"]
    assert [row.name.tenant for row in await tried.rows.read("umbrella", "2027-01-15")] == ["umbrella"]
    assert await tried.rows.read("nobody", "2027-01-15") == []


async def test_a_partition_is_read_whole_and_alone(tried: Tried) -> None:
    for pk, sk, number in (("t", "B", 10**17), ("t", "C", -1), ("t2", "B", 3)):
        await tried.table.apply(pk, sk, ConditionalUpdate((Assign("a", number),), ()))
    assert await tried.items.query("t") == {"B": {"a": 10**17}, "C": {"a": -1}}
    assert await tried.items.query("nobody") == {}
