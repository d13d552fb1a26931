"""Does the simulation of many processes and several Regions hold to the law, and see what breaks it?"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.scale.bench import problems
from benchmarks.scale.dynamodb import Heat, Model, SimulatedDynamoDb
from benchmarks.scale.fleet import carry_out
from benchmarks.scale.load import TENANT
from benchmarks.scale.regions import share
from benchmarks.scale.scenarios import QUICK, QUICK_WORLDS
from benchmarks.scale.virtual_time import VirtualLoop
from embedge.core.conditional_update import (
    Assign,
    AttributeOr,
    ConditionalUpdate,
    Item,
    ItemUpdate,
    evaluate,
)
from embedge.core.limit_change import limit_change
from embedge.core.request import Limits
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.scale.regions import Caution

START, SPENT = QUICK
(WORLD,) = QUICK_WORLDS.values()
ONE_MORE = ConditionalUpdate((Assign("n", AttributeOr("n", 0), 1),), ())


def unconditionally(update: ConditionalUpdate, item: Item | None) -> Item | None:
    """Carry out what takes from a balance whatever is left of it."""
    taken = any(step.target == "da" and (step.change or 0) < 0 for step in update.assignments)
    return evaluate(replace(update, conditions=()) if taken and item else update, item)


def at_once(model: Model, writes: Callable[[SimulatedDynamoDb], list[Awaitable[object]]]) -> tuple[Heat, int]:
    """Let writes be made at the same time; return the heat of their partition, and how many failed."""
    loop = VirtualLoop()
    table = SimulatedDynamoDb(model, random.Random(0), loop)

    async def tried(one: Awaitable[object]) -> bool:
        try:
            await one
        except ServiceUnavailable:
            return False
        return True

    async def all_of_them() -> int:
        return [await one for one in [loop.create_task(tried(write)) for write in writes(table)]].count(False)

    failed = loop.run_until_complete(all_of_them())
    loop.close()
    return table.write_heat["p"], failed


def test_nothing_is_billed_beyond_a_budget_that_is_spent_to_its_end_while_processes_die_and_replies_are_lost() -> None:
    result = carry_out(SPENT)
    assert problems(result) == []
    assert result.seen.counts["spent"] > 0
    assert result.seen.billed + result.left() + result.written_off() == result.load.limits.day_nano_usd
    assert result.written_off() >= 0


def test_a_ledger_that_takes_without_a_condition_is_seen() -> None:
    result = carry_out(replace(SPENT, model=replace(SPENT.model, evaluate=unconditionally)))
    assert "more were billed" in "".join(problems(result))


def test_a_load_comes_to_the_same_each_time() -> None:
    short = replace(START, seconds=4)
    one, again = carry_out(short), carry_out(short)
    assert (one.seen.billed, one.seen.counts, one.writes[TENANT]) == (
        again.seen.billed,
        again.seen.counts,
        again.writes[TENANT],
    )


@pytest.mark.parametrize("seed", range(2))
def test_regions_bill_no_more_than_the_budget_together_whatever_is_shifted_and_whatever_fails(seed: int) -> None:
    shared = share(replace(WORLD, seed=seed))
    assert shared.steps >= 3
    assert shared.refused > 0
    assert sum(shared.billed) <= WORLD.budget_nano_usd
    assert shared.most_over_budget <= 0


@pytest.mark.parametrize("caution", ["only what was said", "not what is taken"])
def test_an_operator_who_counts_less_than_what_a_region_may_still_charge_is_seen(caution: Caution) -> None:
    worlds = (replace(WORLD, caution=caution, failing=0, pause_s=1.5, seed=seed) for seed in range(12))
    assert any(share(world).most_over_budget > 0 for world in worlds)


def test_until_the_ledger_has_the_last_version_an_earlier_and_higher_one_may_still_come() -> None:
    item: Item = {"dl": 9, "da": 9, "ml": 100, "ma": 100, "tl": 900, "ta": 900, "cv": 1}
    said = [Limits(1, 1, 9, limit, 900, version) for version, limit in ((2, 140), (3, 60))]
    for limits in said:
        change = limit_change(item, limits)
        assert change is not None
        item = evaluate(change, item) or {}
        assert (item["ml"], item["cv"]) == (limits.month_nano_usd, limits.version)
    assert all(limit_change(item, limits) is None for limits in said)


def test_a_key_takes_a_thousand_units_a_second_and_turns_away_what_comes_beyond() -> None:
    heat, failed = at_once(Model(), lambda table: [table.apply("p", "s", ONE_MORE) for _ in range(3_000)])
    assert heat.busiest() <= 2_000  # what a second adds, and a second's worth that nobody had taken
    assert heat.throttled > failed > 0
    assert heat.units + failed == 3_000


def test_what_a_transaction_is_about_is_refused_to_others_meanwhile() -> None:
    def writes(table: SimulatedDynamoDb) -> list[Awaitable[object]]:
        both = ItemUpdate("p", "s", ONE_MORE), ItemUpdate("q", "s", ONE_MORE)
        return [table.transact(*both), *(table.apply("p", "s", ONE_MORE) for _ in range(20))]

    heat, failed = at_once(Model(transaction_s=0.004), writes)
    assert failed == 0
    assert heat.conflicts > 0
    assert heat.units == 2 + 20


def test_a_fleet_in_small_asks_of_a_key_the_same_part_of_what_it_takes() -> None:
    half = replace(START, instances=10, requests_per_s=100, seconds=5)
    small = half.shrunk(5)
    assert small.requests_per_s / small.model.scale == half.requests_per_s / half.model.scale
    assert small.limits.day_nano_usd == half.limits.day_nano_usd // 2
    assert small.model.held_s() == 2 * half.model.held_s()


def test_hours_pass_at_once() -> None:
    loop = VirtualLoop()
    loop.run_until_complete(asyncio.sleep(3_600))
    assert loop.time() == pytest.approx(3_600)
    loop.close()
