"""Is a target that fails left alone for a while, and found again when it is well?"""

from __future__ import annotations

import asyncio

import pytest

from embedge.core.breaker import FAILURES_IN_A_ROW
from embedge.errors import UpstreamUnavailable
from tests.upstreams.simulated import simulated
from tests.upstreams.world import Deed, Kind, Setup, World


async def broken_world(setup: Setup | None = None) -> World:
    """A world whose target `a` fails, and whose breaker has just opened."""
    world = World(setup)
    world.servers.always["a"] = Deed("broken")
    while "breaker_opened" not in world.faults:
        await world.outcome([str(len(world.servers.sent))])
    assert len(world.sent_to("a")) == FAILURES_IN_A_ROW
    return world


@simulated
async def test_where_every_breaker_is_open_nothing_is_sent_and_the_caller_hears_when_to_come_back() -> None:
    world = await broken_world()
    error = await world.outcome(["text"])
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after_s is not None
    assert 0.5 <= error.retry_after_s <= 1.0
    assert len(world.servers.sent) == FAILURES_IN_A_ROW


@simulated
async def test_while_one_targets_breaker_is_open_the_others_serve() -> None:
    world = await broken_world(Setup(priorities=(0, 1)))
    before = len(world.servers.sent)
    await world.ask(["text"])
    assert world.targets_asked()[before:] == "b"


@simulated
async def test_one_call_probes_and_a_good_one_lets_all_go_again() -> None:
    world = await broken_world()
    world.servers.always.clear()
    await asyncio.sleep(1.0)
    outcomes = await asyncio.gather(*(world.outcome([str(number)]) for number in range(4)))
    assert [error is None for error in outcomes] == [True, False, False, False]
    assert len(world.servers.sent) == FAILURES_IN_A_ROW + 1
    await asyncio.gather(*(world.ask([f"later {number}"]) for number in range(4)))


@simulated
async def test_a_probe_that_fails_is_not_repeated_and_the_next_comes_later() -> None:
    world = await broken_world()
    await asyncio.sleep(1.0)
    error = await world.outcome(["probe"])
    assert error is not None
    assert error.retry_after_s == pytest.approx(1.75, abs=0.25)
    assert len(world.servers.sent) == FAILURES_IN_A_ROW + 1


@pytest.mark.parametrize("kind", ["busy", "cold", "refuses the key", "refuses the input", "no embeddings"])
@simulated
async def test_who_is_busy_cold_or_asked_for_the_wrong_thing_is_not_broken(kind: Kind) -> None:
    world = World()
    world.servers.will("a", *[Deed(kind)] * 30)
    for number in range(10):
        await world.outcome([str(number)])
    assert "breaker_opened" not in world.faults


@pytest.mark.parametrize("kind", ["broken", "down", "resets", "refuses the connection", "hangs", "not finite"])
@simulated
async def test_who_gives_no_answers_or_nonsense_is_broken(kind: Kind) -> None:
    world = World()
    world.servers.always["a"] = Deed(kind)
    for number in range(5):
        await world.outcome([str(number)])
    assert world.faults.count("breaker_opened") == 1


@simulated
async def test_a_probe_that_is_cut_off_by_its_deadline_lets_another_go() -> None:
    world = await broken_world()
    world.servers.always.clear()
    world.servers.will("a", "hangs")
    await asyncio.sleep(1.0)
    await world.outcome(["cut off"], seconds=2.0)
    await world.ask(["text"])
