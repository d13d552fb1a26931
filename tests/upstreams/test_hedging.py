"""Is a call that takes longer than most sent a second time, once, and only where that is allowed?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from embedge.errors import RefusedByProvider
from embedge.upstreams.retry_budget import FULL
from tests.embed.world import LIMITS, PRICE
from tests.upstreams.simulated import simulated
from tests.upstreams.world import Deed, Setup, World

HEDGED = Setup(priorities=(0, 1), hedged=True)
SLOW = Deed("right", delay_s=8.0)


async def usual(setup: Setup = HEDGED) -> World:
    """A world whose targets are known to take a tenth of a second."""
    world = World(setup)
    await world.warm_up()
    world.servers.sent.clear()
    return world


async def seconds_for(world: World, text: str) -> float:
    started_s = asyncio.get_running_loop().time()
    await world.ask([text])
    return asyncio.get_running_loop().time() - started_s


@simulated
async def test_the_first_good_answer_counts_and_the_other_call_is_cut_off_and_counts_as_billed() -> None:
    world = await usual()
    world.servers.will("a", SLOW)
    assert await seconds_for(world, "text") == pytest.approx(0.2, abs=0.01)
    assert [(entry.target, entry.end) for entry in world.servers.sent] == [("a", "cut off"), ("b", "right")]
    assert await world.charged_nano_usd() >= world.servers.billed_nano_usd
    assert world.faults == ["call_hedged"]


@simulated
async def test_where_there_is_one_target_it_is_sent_there_again() -> None:
    world = await usual(replace(HEDGED, priorities=(0,)))
    world.servers.will("a", SLOW)
    assert await seconds_for(world, "text") == pytest.approx(0.2, abs=0.01)
    assert world.targets_asked() == "aa"


@simulated
async def test_a_second_call_that_fails_does_not_end_the_first() -> None:
    world = await usual()
    world.servers.will("a", Deed("right", delay_s=3.0))
    world.servers.will("b", "broken")
    assert await seconds_for(world, "text") == pytest.approx(3.0, abs=0.01)


@simulated
async def test_a_first_call_that_fails_does_not_end_the_second() -> None:
    world = await usual()
    world.servers.will("a", Deed("broken", delay_s=1.0))
    world.servers.will("b", Deed("right", delay_s=3.0))
    assert await seconds_for(world, "text") == pytest.approx(3.1, abs=0.01)
    assert world.targets_asked() == "ab"


@simulated
async def test_where_both_fail_what_the_first_met_decides() -> None:
    world = await usual()
    world.servers.will("a", Deed("refuses the input", delay_s=1.0))
    world.servers.will("b", "broken")
    assert isinstance(await world.outcome(["text"]), RefusedByProvider)


@simulated
async def test_nothing_is_sent_twice_where_the_route_does_not_ask_for_it() -> None:
    world = await usual(replace(HEDGED, hedged=False))
    world.servers.will("a", SLOW)
    assert await seconds_for(world, "text") == pytest.approx(8.0, abs=0.01)


@simulated
async def test_nothing_is_sent_twice_while_the_usual_time_is_not_known() -> None:
    world = World(HEDGED)
    world.servers.will("a", SLOW)
    assert await seconds_for(world, "text") == pytest.approx(8.0, abs=0.01)


@simulated
async def test_a_target_that_has_become_slow_is_not_sent_everything_twice() -> None:
    world = await usual(replace(HEDGED, priorities=(0,)))
    random = Random(3)
    for number in range(200):
        world.servers.usual_s = random.uniform(1.0, 1.2)
        await world.ask([str(number)])
    assert 0 < world.faults.count("call_hedged") <= 25, "about one in twenty, and some until that is known"


@simulated
async def test_many_calls_that_are_slow_at_once_are_sent_again_only_as_often_as_the_retry_budget_permits() -> None:
    world = await usual(replace(HEDGED, priorities=(0,), concurrency=60))
    world.servers.will("a", *[SLOW] * 60)
    await asyncio.gather(*(world.ask([str(number)]) for number in range(30)))
    assert len(world.servers.sent) <= 30 + FULL + 30 / 5


@simulated
async def test_a_call_that_was_cut_off_is_known_to_have_taken_so_long() -> None:
    world = await usual()
    world.servers.always["a"] = SLOW
    waits_s = list[float]()
    for number in range(7):
        await world.ask([str(number)])
        first, second = world.servers.sent[-2:]
        waits_s.append(second.at_s - first.at_s)
    assert waits_s[0] == pytest.approx(0.1, abs=0.01)
    assert waits_s[-1] > 0.15


@simulated
async def test_a_second_call_does_not_wait_for_a_place() -> None:
    world = await usual(replace(HEDGED, concurrency=2, priorities=(0,)))
    world.servers.will("a", Deed("right", delay_s=3.0), Deed("right", delay_s=0.5))
    await asyncio.gather(world.ask(["first"]), world.ask(["second"]))
    assert len(world.servers.sent) == 2


@simulated
async def test_a_second_call_that_the_budget_does_not_cover_is_not_sent() -> None:
    limit = 100_000
    world = await usual(replace(HEDGED, limits=replace(LIMITS, total_nano_usd=limit)))
    room = (limit - await world.charged_nano_usd()) * 1_000_000 // PRICE
    world.servers.will("a", SLOW)
    assert await seconds_for(world, "x" * (room * 3 // 4)) == pytest.approx(8.0, abs=0.01)
    assert len(world.servers.sent) == 1
