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
    ItemUpdate,
    NewItem,
    Refused,
    evaluate,
)
from tests.adapters.stores import LEAN, PAIR, STORES, dynamodb_table
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


@pytest.fixture(params=[*STORES, LEAN])
async def tried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tried]:
    clock = FakeClock()
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield Tried(SqliteLedgerTable(state, clock), clock.now_s())
            state.close()
        case "dynamodb" | "lean dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, PAIR, request.param) as (aws, table):
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


def pair(first: ConditionalUpdate, second: ConditionalUpdate) -> tuple[ItemUpdate, ItemUpdate]:
    return ItemUpdate("acme", "B", first), ItemUpdate("L#acme#07", "id", second)


async def test_two_updates_are_both_made(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    assert await tried.table.transact(*pair(take(400), _OPEN)) == (None, None)
    assert await tried.table.apply("acme", "B", take(0)) == Applied({"a": 600, "l": 10**18})
    assert await tried.table.apply("L#acme#07", "id", take(0)) == Applied({"a": 1000, "l": 10**18})


@pytest.mark.parametrize("refused", ["first", "second", "both"])
async def test_where_one_of_two_updates_is_refused_neither_is_made_and_its_item_is_shown(
    tried: Tried, refused: str
) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    await tried.table.apply("L#acme#07", "id", _OPEN)
    outcomes = await tried.table.transact(
        *pair(take(1 if refused == "second" else 2000), take(1 if refused == "first" else 2000))
    )
    for outcome, kept in zip(outcomes, (refused == "second", refused == "first"), strict=True):
        assert (outcome is None) == kept
        if outcome is not None:
            assert outcome.item == {"a": 1000, "l": 10**18}
            assert outcome.store_time_s == pytest.approx(tried.now_s, abs=60)
    for name in (("acme", "B"), ("L#acme#07", "id")):
        assert await tried.table.apply(*name, take(0)) == Applied({"a": 1000, "l": 10**18})


async def test_a_refusal_of_one_of_two_shows_that_there_is_no_item(tried: Tried) -> None:
    one, other = await tried.table.transact(*pair(_OPEN, take(0)))
    assert one is None
    assert other is not None
    assert other.item is None
    assert isinstance(await tried.table.apply("acme", "B", take(0)), Refused)


async def test_who_sends_two_updates_again_whose_conditions_hold_once_has_made_them_once(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)
    for _ in range(3):
        await tried.table.transact(*pair(take(400), _OPEN))
    assert await tried.table.apply("acme", "B", take(0)) == Applied({"a": 600, "l": 10**18})


async def test_many_transactions_at_once_are_made_one_by_one(tried: Tried) -> None:
    await tried.table.apply("acme", "B", _OPEN)

    async def lease(number: int) -> bool:
        both = ItemUpdate("acme", "B", take(100)), ItemUpdate("L#acme#00", str(number), _OPEN)
        return await tried.table.transact(*both) == (None, None)

    outcomes = await asyncio.gather(*(lease(number) for number in range(20)))
    assert sum(outcomes) == 10
    assert await tried.table.apply("acme", "B", take(0)) == Applied({"a": 0, "l": 10**18})


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
