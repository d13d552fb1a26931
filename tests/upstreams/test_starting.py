"""Is a server waited for while it starts, and made to load a model that it forgot?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from embedge.errors import EmbeddingsNotAvailable, UpstreamCold, UpstreamUnavailable
from embedge.upstreams.journey import MOST_COLD
from embedge.upstreams.reloading import REST_S
from tests.upstreams.simulated import simulated
from tests.upstreams.world import Deed, Kind, Setup, World

COLD = Deed("cold")
LOADS = Setup(reload="/models/load")


@simulated
async def test_a_server_that_starts_is_asked_at_growing_pauses_until_it_is_up() -> None:
    world = World()
    world.servers.will("a", *[COLD] * 8)
    await world.ask(["text"])
    pauses = [after.at_s - before.at_s for before, after in pairwise(world.servers.sent)]
    assert len(pauses) == 8
    assert all(min(4.0, 0.25 * 2**n) / 2 <= pause_s <= min(4.0, 0.25 * 2**n) + 1e-6 for n, pause_s in enumerate(pauses))


@simulated
async def test_a_server_that_does_not_come_up_in_time_is_named_as_starting_and_waited_for_no_longer() -> None:
    world = World()
    world.servers.always["a"] = Deed("cold", retry_after_s=7.0)
    error = await world.outcome(["text"], seconds=20)
    assert isinstance(error, UpstreamCold)
    assert error.retry_after_s == 7.0
    assert len(world.servers.sent) == 3


@simulated
async def test_a_server_that_starts_is_not_asked_without_end() -> None:
    world = World()
    world.servers.always["a"] = Deed("cold")
    assert isinstance(await world.outcome(["text"], seconds=900), UpstreamCold)
    assert len(world.servers.sent) == MOST_COLD


@simulated
async def test_waiting_for_a_server_to_start_uses_up_neither_tries_nor_the_retry_budget() -> None:
    world = World(Setup(concurrency=30))
    world.servers.will("a", *[COLD] * 90, "broken", "broken")
    await asyncio.gather(*(world.ask([str(number)]) for number in range(30)))


@simulated
async def test_a_server_that_starts_is_asked_again_also_when_its_retry_budget_is_spent() -> None:
    world = World()
    world.servers.always["a"] = Deed("busy")
    retries: list[int] = []
    while retries[-5:] != [0, 0, 0, 0, 1]:  # then the last permission has just been spent
        await world.outcome([str(len(retries))])
        retries.append(world.faults.count("call_retried") - sum(retries))
    world.servers.always["a"] = Deed("right")
    world.servers.will("a", COLD, COLD)
    await world.ask(["text"])


@simulated
async def test_while_one_target_starts_another_serves() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.always["a"] = Deed("cold")
    await world.ask(["text"])
    assert world.targets_asked() == "ab"


@pytest.mark.parametrize("other", ["broken", "down", "refuses the connection"])
@simulated
async def test_a_server_that_starts_is_waited_for_also_when_the_tries_are_used_up_at_another(other: Kind) -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", *[COLD] * 6)
    world.servers.will("b", *[Deed(other)] * 4)
    await world.ask(["text"])
    assert world.targets_asked()[:2] == "ab"
    assert len(world.sent_to("b")) == 3


@simulated
async def test_a_server_that_starts_and_then_fails_has_no_tries_of_its_own() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", *[COLD] * 6, "broken")
    world.servers.always["b"] = Deed("broken")
    assert isinstance(await world.outcome(["text"]), UpstreamUnavailable)
    assert world.targets_asked().count("a") == 7


@simulated
async def test_a_server_that_is_down_and_says_nothing_of_a_start_is_not_waited_for() -> None:
    world = World()
    world.servers.always["a"] = Deed("down")
    before_s = asyncio.get_running_loop().time()
    error = await world.outcome(["text"])
    assert isinstance(error, UpstreamUnavailable)
    assert asyncio.get_running_loop().time() - before_s < 1.0


@simulated
async def test_a_server_that_forgot_its_model_loads_it_and_is_asked_once_more() -> None:
    world = World(LOADS)
    world.servers.will("a", "no embeddings")
    await world.ask(["text"])
    assert world.servers.reloads == ["https://a.test/models/load"]
    assert world.targets_asked() == "aa"


@simulated
async def test_where_loading_does_not_help_the_501_stands_and_the_next_is_not_loaded_for_a_while() -> None:
    world = World(LOADS)
    world.servers.always["a"] = Deed("no embeddings")
    assert isinstance(await world.outcome(["text"]), EmbeddingsNotAvailable)
    assert isinstance(await world.outcome(["text"]), EmbeddingsNotAvailable)
    assert (len(world.servers.reloads), world.targets_asked()) == (1, "aaa")
    await asyncio.sleep(REST_S)
    assert isinstance(await world.outcome(["text"]), EmbeddingsNotAvailable)
    assert len(world.servers.reloads) == 2


@simulated
async def test_many_calls_that_find_no_model_have_it_loaded_once() -> None:
    world = World(replace(LOADS, concurrency=10))
    world.servers.will("a", *[Deed("no embeddings", delay_s=0.1 * number) for number in range(8)])
    await asyncio.gather(*(world.ask([str(number)]) for number in range(8)))
    assert len(world.servers.reloads) == 1


@pytest.mark.parametrize("priorities", [(0, 1), (1, 0)])
@simulated
async def test_without_a_way_to_load_it_the_next_target_is_asked(priorities: tuple[int, int]) -> None:
    world = World(Setup(priorities=priorities))
    world.servers.will("ab"[priorities[0]], "no embeddings")
    await world.ask(["text"])
    assert sorted(world.targets_asked()) == ["a", "b"]
    assert world.servers.reloads == []
