"""Is what dead processes had not written added from the log, once, and never more than was used?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.core.usage import MOST_ROWS, Counts
from embedge.errors import ServiceUnavailable
from tests.reconcile.world import DAY_S, MIDNIGHT_S, World

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_HOUR_S = 1_800
LOST: tuple[Literal["applied"], Literal["unapplied"]] = ("applied", "unapplied")


async def test_what_a_dead_process_had_not_written_is_added_and_told() -> None:
    world = World()
    await world.serve()
    await world.serve(bot="search")
    world.kill()
    assert world.written().requests == 1
    world.clock.pass_time(HALF_HOUR_S)
    found = await world.reconcile()
    assert world.written() == world.logged()
    assert {row.name.bot: row.counts.requests for row in world.rows()} == {"default": 1, "search": 1}
    assert (found.repaired.requests, found.repaired.cost) == (1, 160)
    assert found.drifting == [("acme", "2027-01-15")]
    (drift,) = world.told.of("usage drifts")
    assert (drift["logged_requests"], drift["written_requests"], drift["apart_ppm"]) == (2, 1, 500_000)
    assert not found.is_well()


async def test_where_nothing_is_missing_nothing_is_written_but_how_far_it_was_looked() -> None:
    world = World()
    await world.serve()
    world.clock.pass_time(HALF_HOUR_S)
    found = await world.reconcile()
    assert found.is_well()
    assert (world.written(), found.repaired) == (world.logged(), Counts())
    assert found.windows == 96 + 49  # from the midnight before the last to a quarter past twelve
    sent = len(world.table.sent)
    assert (await world.reconcile()).windows == 0
    assert len(world.table.sent) == sent


async def test_usage_that_a_process_may_still_write_is_left_alone() -> None:
    world = World()
    await world.serve()
    await world.serve()
    for _ in range(29):
        world.clock.pass_time(60)
        assert (await world.reconcile()).repaired == Counts()
    assert world.written().requests == 1
    world.clock.pass_time(60)
    assert (await world.reconcile()).repaired.requests == 1
    await world.process().flush()  # far too late: it is dropped
    assert world.written() == world.logged()


async def with_one_window_due() -> World:
    """Return a world with usage of dead processes in the log, and nothing else to count."""
    world = World()
    for number in range(3):
        await world.serve(number, bot=str(number))
        await world.serve(number, bot=str(number))
        world.kill(number)
    world.clock.pass_time(HALF_HOUR_S / 2)
    assert (await world.reconcile()).repaired == Counts()
    world.clock.pass_time(HALF_HOUR_S / 2)
    return world


async def test_two_runs_at_once_add_nothing_twice() -> None:
    world = await with_one_window_due()
    runs = await asyncio.gather(*(world.reconcile() for _ in range(3)))
    assert world.written() == world.logged()
    assert sum(found.repaired.requests for found in runs) == 3


async def test_a_day_with_more_rows_than_it_may_have_is_repaired_by_model() -> None:
    world = World()
    for number in range(MOST_ROWS + 20):
        await world.serve(bot=str(number), model=("small", "large")[number % 2])
    await world.process().flush()
    for number in range(MOST_ROWS + 40):
        await world.serve(bot=str(-number), model=("small", "large")[number % 2])
    world.kill()
    world.clock.pass_time(HALF_HOUR_S)
    await world.reconcile()
    for model in ("small", "large"):
        assert world.written(model) == world.logged(model)
    assert len(world.rows()) <= MOST_ROWS + 2


async def test_rows_that_have_too_much_are_told_when_the_day_is_over_and_stay() -> None:
    world = World()
    for _ in range(3):
        await world.serve()
        world.clock.pass_time(10)
    del world.records.log[0]  # nobody can read it any more
    world.clock.pass_time(HALF_HOUR_S)
    assert (await world.reconcile()).is_well()
    world.clock.pass_time(DAY_S / 2 - HALF_HOUR_S - 60)
    await world.reconcile()
    assert world.told.of("usage drifts") == []
    world.clock.pass_time(HALF_HOUR_S + 60)
    found = await world.reconcile()
    assert found.drifting == [("acme", "2027-01-15")]
    assert world.written().requests == 3


async def test_a_request_that_is_logged_after_midnight_belongs_to_the_day_of_its_row() -> None:
    world = World()
    world.clock.now = MIDNIGHT_S - 0.001
    await world.reconcile()
    await world.serve()
    record = world.records.log.pop()
    world.records.log.append(type(record)(record.row, record.counts, record.user, int(MIDNIGHT_S * 1000) + 5))
    world.clock.pass_time(HALF_HOUR_S + 60)
    found = await world.reconcile()
    assert found.is_well()
    assert found.repaired == Counts()


async def test_a_run_stops_when_its_time_is_up_and_the_next_goes_on() -> None:
    world = World()
    await world.serve()
    world.kill()
    world.clock.pass_time(HALF_HOUR_S)
    assert (await world.reconcile(budget_s=0)).behind_s > 0
    assert (await world.reconcile()).behind_s < 900


async def test_a_month_that_was_billed_more_than_the_ledger_has_charged_is_told() -> None:
    world = World()
    world.table.items["acme", "B"] = {"mi": 2027 * 12 + 1, "di": 1, "ml": 1_000, "ma": 841}
    await world.serve()
    world.clock.pass_time(HALF_HOUR_S)
    found = await world.reconcile()
    assert found.undercharged == ["acme"]
    assert world.told.of("undercharged") == [{"tenant": "acme", "billed_nano_usd": 160, "charged_nano_usd": 159}]
    world.table.items["acme", "B"] = {"mi": 2027 * 12 + 1, "di": 1, "ml": 1_000, "ma": 840}
    await world.serve()
    world.table.items["acme", "B"] = {"mi": 2027 * 12 + 1, "di": 1, "ml": 1_000, "ma": 600}
    world.clock.pass_time(HALF_HOUR_S)
    assert (await world.reconcile()).undercharged == []


async def test_how_much_of_its_budgets_a_watched_tenant_has_taken_is_measured_also_while_it_asks_no_more() -> None:
    world = World()
    for tenant in ("acme", "umbrella"):
        world.table.items[tenant, "B"] = {
            "mi": 2027 * 12 + 1,
            "di": 739_996,
            "dl": 1_000,
            "da": 200,
            "ml": 10_000,
            "ma": 9_000,
            "tl": 10**18,
            "ta": 10**18 - 5,
        }
    await world.serve(watched=True)
    await world.serve(tenant="umbrella")
    world.clock.pass_time(HALF_HOUR_S)
    await world.reconcile()
    assert {of["tenant"] for of, _ in world.told.measured} == {"acme"}
    assert {of["period"]: numbers["budget_taken_percent"] for of, numbers in world.told.measured} == {
        "day": 80,
        "month": 10,
    }
    world.told.measured.clear()
    world.clock.pass_time(DAY_S)
    await world.reconcile()
    taken = {of["period"]: numbers["budget_taken_percent"] for of, numbers in world.told.measured}
    assert taken == {"day": 0, "month": 10}


Step: TypeAlias = tuple[Literal["serve", "kill", "pass", "lose", "reconcile", "crash"], int]
STEPS = st.one_of(
    st.tuples(st.just("serve"), st.integers(0, 11)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("pass"), st.sampled_from([1, 6, 300, 700, 2_000, 30_000])),
    st.tuples(st.just("lose"), st.integers(0, 5)),
    st.tuples(st.just("reconcile"), st.integers(1, 3)),
    st.tuples(st.just("crash"), st.integers(1, 12)),
)


async def _take(world: World, step: Step) -> None:
    match step:
        case "serve", number:
            await world.serve(number % 3, bot=str(number % 2), model=("small", "large")[number // 6])
        case "kill", number:
            world.kill(number)
        case "pass", seconds:
            world.clock.pass_time(seconds)
        case "lose", number:
            world.table.lose_next.extend(repeat(LOST[number % 2], number // 2))
        case "reconcile", times:
            world.table.lose_next.clear()
            await asyncio.gather(*(world.reconcile() for _ in range(times)))
        case "crash", after:
            world.table.lose_next.clear()
            world.table.lose_next.extend([*repeat("nothing", after), "unapplied"])
            with suppress(ServiceUnavailable):
                await world.reconcile()
            world.table.lose_next.clear()
        case _:
            raise AssertionError


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_rows_never_come_to_more_than_was_used_and_in_the_end_to_all_of_it(steps: Sequence[Step]) -> None:
    async def run() -> None:
        world = World()
        await world.reconcile()
        for step in steps:
            await _take(world, step)
            for model in ("small", "large"):
                pairs = zip(world.written(model), world.logged(model), strict=True)
                assert all(written <= logged for written, logged in pairs)
        world.table.lose_next.clear()
        for number in range(3):
            world.kill(number)
        world.clock.pass_time(DAY_S)
        await world.reconcile()
        for model in ("small", "large"):
            assert world.written(model) == world.logged(model)
        assert (await world.reconcile()).repaired == Counts()

    asyncio.run(run())


@pytest.mark.parametrize("lost", ["applied", "unapplied"])
@pytest.mark.parametrize("written", range(8))
async def test_a_run_that_ends_at_any_write_is_done_again_and_counts_and_adds_everything_once(
    written: int, lost: Literal["applied", "unapplied"]
) -> None:
    world = await with_one_window_due()
    world.table.lose_next.extend([*repeat("nothing", written), lost])
    with pytest.raises(ServiceUnavailable):
        await world.reconcile()
    await world.reconcile()
    assert world.written() == world.logged()
