"""Is a wrong entry that all share found out, at nobody's cost, and does no request wait or fail for that?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge.core.cache_key import space_id
from embedge.core.generations import GENERATIONS, space_part
from embedge.core.recheck import FREEZING, STEADY, Pace
from embedge.core.request import EmbeddingRequest, Input
from embedge.core.vector_codec import FloatVector, encode
from embedge.core.wanted import want
from embedge.errors import LimitReached, RefusedByProvider
from tests.embed.world import MODEL, Deed, Setup, World, is_right, vector_of
from tests.upstreams.simulated import simulated

if TYPE_CHECKING:
    from embedge.core.route import Route, Target

EVERY_HIT = Pace(1, least_s_between=0, longest_s=0.5, lives_on=False)
SHARED = Setup(shared=True, recheck=EVERY_HIT)


class Fickle:
    """The SecondOpinions port: never the same vector twice."""

    def __init__(self) -> None:
        self._asked = 0

    async def embed(self, route: Route, target: Target, content: Input) -> FloatVector:
        del route, target, content
        self._asked += 1
        return vector_of(str(self._asked))


async def poisoned(setup: Setup = SHARED) -> World:
    """A world whose cache is wrong of one text."""
    world = World(setup)
    await poison(world)
    return world


async def poison(world: World) -> None:
    """Keep another text's vector under a text's key, as a provider that mixes up a batch leaves it."""
    route, purged = (await world.services.routes.current())[MODEL], await world.purges.current()
    (key,) = want(EmbeddingRequest(MODEL, ("a",)), route, "acme", purged).distinct_keys
    entry = encode(key, vector_of("quite another text"), 7, estimated=False)
    await world.cache.put_many({key: entry}, 9999)


async def generation(world: World) -> str | None:
    route = (await world.services.routes.current())[MODEL]
    return (await world.control.query(GENERATIONS)).get(space_part(space_id(route.space)))


async def test_a_wrong_entry_is_found_out_and_its_space_is_purged_at_once() -> None:
    world = await poisoned()
    assert not is_right(await world.ask(["a"]), ["a"])  # a hit is the answer that was kept; from then on it is none
    assert await generation(world) == "1"
    assert {"recheck_mismatch", "recheck_purged"} <= set(world.faults)
    assert is_right(await world.ask(["a"]), ["a"])
    assert world.observation.hits == 0


async def test_a_right_entry_stays() -> None:
    world = World(SHARED)
    await world.ask(["a"])
    assert (await world.ask(["a"])).hits == 1
    assert (world.faults, await generation(world)) == (["rechecked"], None)


async def test_only_what_all_share_is_embedded_again() -> None:
    world = await poisoned(replace(SHARED, shared=False))
    await world.ask(["a"])
    assert (world.server.asked, world.faults) == ([], [])


async def test_it_is_the_operator_s_money_and_no_tenant_s() -> None:
    world = await poisoned()
    await world.ask(["a"])
    seen = world.observation
    assert (seen.cost_nano_usd, seen.tokens_billed, await world.charged_nano_usd()) == (0, 0, 0)
    assert seen.recheck_nano_usd == 2 * 7 * 20


async def test_a_tenant_whose_budget_is_spent_still_has_his_hit() -> None:
    world = await poisoned(replace(SHARED, limits=replace(SHARED.limits, day_nano_usd=0)))
    assert (await world.ask(["a"])).hits == 1
    with pytest.raises(LimitReached):
        await world.ask(["b"])


@pytest.mark.parametrize("deed", ["busy", "broken", "unreachable", "breaks off", "not JSON", "too short", "not finite"])
async def test_a_model_that_fails_changes_nothing(deed: Deed) -> None:
    world = await poisoned()
    world.server.will(deed)
    assert (await world.ask(["a"])).hits == 1
    assert world.faults == ["rechecked", "recheck_failed"]
    assert await generation(world) is None


async def test_models_that_do_not_agree_with_each_other_purge_nothing() -> None:
    world = await poisoned(replace(SHARED, targets=2))
    rechecks = replace(world.doubting(), opinions=Fickle())
    world.services = replace(world.services, rechecks=rechecks)
    await world.ask(["a"])
    assert "recheck_models_differ" in world.faults
    assert await generation(world) is None


@simulated
async def test_a_request_of_hits_alone_waits_half_a_second_at_most_where_the_process_may_be_frozen() -> None:
    world = await poisoned(replace(SHARED, recheck=replace(FREEZING, one_in=1)))
    world.server.will("hangs", times=9)
    began_s = asyncio.get_running_loop().time()
    assert (await world.ask(["a"])).hits == 1
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(0.5)
    assert world.faults == ["rechecked", "recheck_cut"]
    again_s = asyncio.get_running_loop().time()
    await world.ask(["a"])  # and the next ones do not wait at all for a minute
    assert asyncio.get_running_loop().time() == again_s


@simulated
async def test_where_a_process_lives_on_nobody_waits() -> None:
    world = await poisoned(replace(SHARED, recheck=replace(STEADY, one_in=1)))
    world.server.will("hangs")
    began_s = asyncio.get_running_loop().time()
    await world.ask(["a"])
    assert asyncio.get_running_loop().time() == began_s
    await asyncio.sleep(1)
    assert len(asyncio.all_tasks()) == 2
    await world.services.rechecks.close()
    assert len(asyncio.all_tasks()) == 1
    assert world.faults[-1] == "recheck_cut"


@simulated
async def test_where_a_process_lives_on_a_wrong_entry_is_found_out_after_the_answer() -> None:
    world = await poisoned(replace(SHARED, recheck=replace(STEADY, one_in=1)))
    await world.ask(["a"])
    await asyncio.sleep(1)
    assert await generation(world) == "1"


@simulated
async def test_a_request_that_fails_ends_what_goes_on_beside_it() -> None:
    world = await poisoned()
    world.server.will("hangs", "refuses the input")
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(RefusedByProvider):
        await world.ask(["a", "b"])
    assert asyncio.get_running_loop().time() == began_s
    assert len(asyncio.all_tasks()) == 1
    assert "recheck_cut" in world.faults


async def test_a_space_is_purged_once_an_hour_at_most_by_one_process() -> None:
    world = World(SHARED)
    for passed_s, expected in ((0, "1"), (3599, "1"), (1, "2")):
        world.clock.pass_time(passed_s)
        await poison(world)
        await world.ask(["a"])
        assert world.faults[-1] != "recheck_failed"
        assert await generation(world) == expected


async def test_a_purge_that_fails_is_counted_and_tried_again_at_the_next_mismatch() -> None:
    world = await poisoned()
    await world.ask(["b"])  # the routes and generations are known by now
    world.control.down = True
    await world.ask(["a"])
    assert world.faults[-1] == "recheck_failed"
    world.control.down = False
    await world.ask(["a"])
    assert await generation(world) == "1"
