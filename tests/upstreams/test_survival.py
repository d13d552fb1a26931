"""Whatever servers do, and whenever: is every answer right, in time, within every bound, and paid for exactly?"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from embedge.api.error_table import TABLE
from embedge.upstreams.retry_budget import CALLS_PER_PERMISSION, FULL
from tests.upstreams.simulated import simulate
from tests.upstreams.world import Deed, Kind, Setup, World

if TYPE_CHECKING:
    from tests.upstreams.world import Sent

DELAYS_S = st.sampled_from([0.0, 0.05, 0.3, 2.0, 9.0])
DEEDS = st.builds(Deed, st.sampled_from(get_args(Kind)), DELAYS_S, st.sampled_from([None, None, 0.5, 3.0, 60.0]))
ASKED = st.lists(st.integers(0, 30), min_size=1, max_size=12).map(lambda ns: [f"text {n}" for n in ns])


SETUPS = st.builds(
    Setup,
    priorities=st.lists(st.integers(0, 1), min_size=1, max_size=3),
    inputs_a_call=st.sampled_from([1, 3, 64]),
    concurrency=st.integers(1, 3),
    hedged=st.booleans(),
    reload=st.sampled_from([None, "/models/load"]),
    seed=st.integers(0, 2**16),
)
# What each target does next, and what it does from then on.
SCHEDULES = st.lists(st.tuples(st.lists(DEEDS, max_size=14), st.none() | DEEDS), min_size=3, max_size=3)
SECONDS = st.sampled_from([1.0, 6.0, 27.5])
# Requests together, how long each may take, and the time until the next.
ROUNDS = st.lists(
    st.tuples(st.lists(ASKED, min_size=1, max_size=4), SECONDS, st.sampled_from([0.0, 0.5, 5.0, 40.0])),
    min_size=1,
    max_size=6,
)
Schedules = list[tuple[list[Deed], Deed | None]]
Rounds = list[tuple[list[list[str]], float, float]]


async def live_through(world: World, schedules: Schedules, rounds: Rounds, most_inputs: int) -> None:
    await world.warm_up()
    world.servers.most_inputs = most_inputs
    for target, (deeds, always) in zip("abc", schedules, strict=True):
        world.servers.will(target, *deeds)
        if always is not None:
            world.servers.always[target] = always
    for number, (together, seconds, pause_s) in enumerate(rounds):
        asked = [[f"{text} of round {number}" for text in texts] for texts in together]
        # Each answer is held to what is right, and to its deadline.
        outcomes = await asyncio.gather(*(world.outcome(texts, seconds) for texts in asked))
        assert all(error is None or type(error) in TABLE for error in outcomes)
        await asyncio.sleep(pause_s)
    charged = await world.charged_nano_usd()
    assert charged >= world.servers.billed_nano_usd
    assert charged == world.servers.billed_nano_usd or world.servers.unknown


def hold_to_every_bound(world: World) -> None:
    texts = [text for entry in world.servers.sent for text in entry.texts]
    assert world.world.cached_texts_are_right(texts)
    assert all(most <= world.setup.concurrency for most in world.servers.most_at_once.values())
    for target in "abc":
        hold_to_the_retry_budget(world.servers.sent, target)
    for fault in set(world.faults):
        event(fault)


LIVES = {
    "setup": SETUPS,
    "schedules": SCHEDULES,
    "rounds": ROUNDS,
    "most_inputs": st.sampled_from([1, 2, 5, 2048]),
}


def survive(setup: Setup, schedules: Schedules, rounds: Rounds, most_inputs: int) -> None:
    world = World(setup)
    simulate(live_through(world, schedules, rounds, most_inputs))
    hold_to_every_bound(world)


@settings(deadline=None, max_examples=15)
@given(**LIVES)
def test_whatever_servers_do_calls_survive_or_fail_in_time_within_every_bound_and_paid_for(
    setup: Setup, schedules: Schedules, rounds: Rounds, most_inputs: int
) -> None:
    survive(setup, schedules, rounds, most_inputs)


@pytest.mark.slow
@pytest.mark.xdist_group("survival")
@settings(deadline=None, max_examples=200)
@given(**LIVES)
def test_the_same_in_many_more_lives(setup: Setup, schedules: Schedules, rounds: Rounds, most_inputs: int) -> None:
    survive(setup, schedules, rounds, most_inputs)


def hold_to_the_retry_budget(everything: list[Sent], target: str) -> None:
    """Count again, from what servers saw: repetitions and second sendings never outnumber what first calls earned.

    An answer that a server is starting earns its repetition for nothing.
    """
    permissions = FULL * CALLS_PER_PERMISSION
    before: dict[tuple[int, tuple[str, ...]], list[Sent]] = defaultdict(list)
    for entry in everything:
        same_call = before[entry.request, entry.texts]
        here = [other for other in same_call if other.target == target]
        hedge = any(other.at_s <= entry.at_s < other.end_s for other in same_call)
        same_call.append(entry)
        if entry.target != target or (here and not hedge and here[-1].end == "cold"):
            continue
        if here or hedge:
            permissions -= CALLS_PER_PERMISSION
            assert permissions >= 0, f"target {target} was sent more than its retry budget permits"
        else:
            permissions = min(FULL * CALLS_PER_PERMISSION, permissions + 1)
