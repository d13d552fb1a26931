"""Does every ledger table do what the port says, which is what `evaluate` says, atomically?"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import (
    AbsentOr,
    Applied,
    Assign,
    Attribute,
    Compare,
    ConditionalUpdate,
    Item,
    NewItem,
    Refused,
    evaluate,
)
from tests.adapters.stores import PAIR, STORES, dynamodb_table
from tests.adapters.updates import UPDATES
from tests.fakes import FakeClock, FakeLedgerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import LedgerTable

_OPEN = ConditionalUpdate((Assign("a", 1000), Assign("l", 10**18)), (NewItem(),))


def take(amount: int) -> ConditionalUpdate:
    return ConditionalUpdate((Assign("a", Attribute("a"), -amount),), (Compare("a", ">=", amount),))


@dataclass(frozen=True, slots=True)
class Tried:
    """A table, and how many examples of Hypothesis's its speed allows."""

    table: LedgerTable
    now_s: float


@pytest.fixture(params=STORES)
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    clock = FakeClock()
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield Tried(SqliteLedgerTable(state, clock), clock.now_s())
            state.close()
        case "dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, PAIR) as (aws, table):
                yield Tried(DynamoDbLedgerTable(aws, table), SystemClock().now_s())
        case _:
            yield Tried(FakeLedgerTable(clock), clock.now_s())


async def test_a_new_item_is_made_once(tried: Tried) -> None:
    assert await tried.table.apply("acme", "B", _OPEN) == Applied({"a": 1000, "l": 10**18})
    refused = await tried.table.apply("acme", "B", _OPEN)
    assert isinstance(refused, Refused)
    assert refused.item == {"a": 1000, "l": 10**18}


async def test_an_applied_update_shows_the_item_as_it_stands(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    assert await tried.table.apply("acme", "B", take(1)) == Applied({"a": 999, "l": 10**18})


async def test_a_refused_update_changes_nothing_and_shows_the_item_and_the_time_of_the_store(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    refused = await tried.table.apply("acme", "B", take(1001))
    assert isinstance(refused, Refused)
    assert refused.item == {"a": 1000, "l": 10**18}
    assert refused.store_time_s == pytest.approx(tried.now_s, abs=60)


async def test_a_refusal_where_there_is_no_item_shows_none(tried: Tried) -> None:
    refused = await tried.table.apply("acme", "B", take(0))
    assert isinstance(refused, Refused)
    assert refused.item is None


async def test_items_are_apart(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    await tried.table.apply("acme", "C", _OPEN)
    await tried.table.apply("acme2", "B", _OPEN)
    await tried.table.apply("acme", "B", take(400))
    assert await tried.table.apply("acme", "C", take(0)) == Applied({"a": 1000, "l": 10**18})
    assert await tried.table.apply("acme2", "B", take(0)) == Applied({"a": 1000, "l": 10**18})


async def test_every_step_of_an_update_sees_the_values_of_before(tried: Tried) -> None:
    await tried.table.apply("acme", "B", ConditionalUpdate((Assign("a", 1), Assign("b", 2)), ()))
    swap = ConditionalUpdate((Assign("a", Attribute("b")), Assign("b", Attribute("a"))), ())
    assert await tried.table.apply("acme", "B", swap) == Applied({"a": 2, "b": 1})


async def test_an_attribute_that_is_absent_holds_only_where_it_may_be(tried: Tried) -> None:
    await tried.table.apply("acme", "B", ConditionalUpdate((Assign("a", 1),), ()))
    below = Compare("t", "<", 5)
    assert isinstance(await tried.table.apply("acme", "B", ConditionalUpdate((Assign("t", 9),), (below,))), Refused)
    either = ConditionalUpdate((Assign("t", 9),), (AbsentOr(below),))
    assert await tried.table.apply("acme", "B", either) == Applied({"a": 1, "t": 9})
    assert isinstance(await tried.table.apply("acme", "B", either), Refused)


async def test_a_hundred_takers_at_once_never_overdraw(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    outcomes = await asyncio.gather(*(tried.table.apply("acme", "B", take(30)) for _ in range(100)))
    applied = [outcome.item["a"] for outcome in outcomes if isinstance(outcome, Applied)]
    assert sorted(applied) == list(range(1000 - 33 * 30, 1000, 30))
    assert all(o.item is not None and o.item["a"] < 30 for o in outcomes if isinstance(o, Refused))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(UPDATES, min_size=1, max_size=8))
async def test_the_store_does_what_evaluate_says(tried: Tried, updates: list[ConditionalUpdate]) -> None:
    name = uuid.uuid4().hex
    item: Item | None = None
    for update in updates:
        try:
            expected = evaluate(update, item)
        except KeyError:  # an operand that is not there: our own updates never name one
            continue
        outcome = await tried.table.apply(name, "B", update)
        assert isinstance(outcome, Refused if expected is None else Applied)
        item = item if expected is None else expected
        assert outcome.item == item
