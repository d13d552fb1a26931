"""Does a stampede cost one call, and does nobody learn from it, or pay for it, but who should?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from typing_extensions import override

from embedge.core.cache_key import Keyring
from embedge.core.metering import cost_nano_usd
from embedge.errors import BudgetSpent, RefusedByProvider, UpstreamUnavailable
from embedge.flights import Flights
from tests.embed.fickle import Form, Setup, World, shown
from tests.embed.world import LIMITS, PRICE, Counter, tokens_of
from tests.fakes import FakeClock, FakeLeases
from tests.upstreams.simulated import simulated

TEXT = ["the same for everybody"]


def process_beside(world: World, leases: FakeLeases | None = None) -> World:
    """Another process on the same tables: it has a memory, flights and all else of its own."""
    other = World(world.setup)
    cache = other.slow(world.cache)
    other.services = replace(
        world.services, flights=Flights(), memory=cache, cache=cache, leases=leases or world.services.leases
    )
    other.server, other.base = world.server, world.base
    world.server.one_process = False
    return other


@simulated
async def test_of_fifty_equal_misses_one_calls_and_pays_and_all_have_its_answer() -> None:
    world = World(Setup(seed=1))
    answers = await asyncio.gather(*(world.ask(TEXT) for _ in range(50)))
    assert world.server.calls == 1
    assert len({str(shown(answer)) for answer in answers}) == 1
    assert [(answer.hits, answer.misses) for answer in answers] == [(0, 1)] * 50
    assert sum(seen.joined for seen in world.observations) == 49
    assert sum(answer.cost_nano_usd > 0 for answer in answers) == 1
    assert sum(seen.saved_nano_usd > 0 for seen in world.observations) == 49


@simulated
async def test_a_follower_takes_neither_tokens_nor_money() -> None:
    alone, together = World(Setup(seed=1)), World(Setup(seed=1))
    await alone.ask(TEXT)
    await asyncio.gather(*(together.ask(TEXT) for _ in range(10)))
    assert together.base.table.items["a", "B"] == alone.base.table.items["a", "B"]


@simulated
async def test_a_tenant_never_waits_for_another_s_call_nor_finds_its_entry() -> None:
    world = World(Setup(seed=1, memory_bytes=10**6))
    await asyncio.gather(*(world.ask(TEXT, tenant=tenant) for tenant in "aabb"))
    assert world.server.calls == 2
    assert world.given("a", TEXT[0]).isdisjoint(world.given("b", TEXT[0]))
    other = await world.ask(TEXT, tenant="c")
    assert (other.hits, other.misses, world.server.calls) == (0, 1, 3), "what others have is as slow as what nobody has"


@simulated
async def test_on_a_shared_route_tenants_fly_together_but_pay_by_themselves() -> None:
    world = World(Setup(seed=1, shared=True))
    answers = await asyncio.gather(*(world.ask(TEXT, tenant=tenant) for tenant in "abc"))
    assert world.server.calls == 1
    assert [answer.cost_nano_usd > 0 for answer in answers] == [True, False, False]


@simulated
async def test_a_leader_without_money_does_not_keep_others_from_theirs() -> None:
    world = World(Setup(seed=1, shared=True))
    world.limits["a"] = replace(LIMITS, day_nano_usd=0)
    poor, *others = await asyncio.gather(*(world.ask(TEXT, tenant=tenant) for tenant in "abc"), return_exceptions=True)
    assert isinstance(poor, BudgetSpent)
    assert not [other for other in others if isinstance(other, BaseException)]
    assert world.server.calls == 1


@simulated
async def test_that_a_target_is_down_is_learnt_once() -> None:
    world = World(Setup(seed=1))
    world.server.deeds = ["busy"] * 50
    errors = await asyncio.gather(*(world.ask(TEXT) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(error, UpstreamUnavailable) for error in errors)
    assert world.server.calls == 3, "the tries of one"


@simulated
async def test_hits_ask_nothing_of_anybody_once_they_are_in_memory() -> None:
    world = World(Setup(memory_bytes=10**6))
    await world.ask(TEXT)
    before = dict(world.base.table.items["a", "B"]), world.cache.reads
    assert (await world.ask(TEXT, Form("float"))).hits == 1
    assert (dict(world.base.table.items["a", "B"]), world.cache.reads) == before
    world.base.clock.pass_time(61)
    assert (await world.ask(TEXT)).hits == 0, "a process that was frozen wakes with old entries"


class LoopClock(FakeClock):
    """A wall clock that goes with the loop's."""

    @override
    def now_s(self) -> float:
        return self.now + asyncio.get_running_loop().time()


async def stampede(*, lease: bool) -> int:
    """Let ten processes miss one text at once; return how often the model was called."""
    world = World(Setup(seed=1, lease=lease))
    leases = FakeLeases(world.cache, LoopClock())
    processes = [process_beside(world, leases) for _ in range(10)]
    answers = await asyncio.gather(*(process.ask(TEXT) for process in processes))
    assert {answer.misses for answer in answers} <= {0, 1}
    return world.server.calls


@simulated
async def test_a_stampede_of_processes_makes_one_call_where_the_route_has_leases_and_many_without() -> None:
    assert await stampede(lease=True) == 1
    assert await stampede(lease=False) > 3


@simulated
async def test_who_waits_for_a_process_that_died_fetches_after_two_seconds() -> None:
    world = World(Setup(seed=1, lease=True))
    leases = FakeLeases(world.cache, LoopClock())
    await world.ask(TEXT)
    leases.taken = {key: LoopClock().now_s() + 2 for key in world.cache.values}
    world.cache.values.clear()
    other, began_s = process_beside(world, leases), asyncio.get_running_loop().time()
    await other.ask(TEXT)
    assert 1.5 < asyncio.get_running_loop().time() - began_s < 5
    assert world.server.calls == 2


@simulated
async def test_two_processes_that_lead_what_the_other_waits_for_both_arrive() -> None:
    world = World(Setup(seed=1, lease=True))
    leases = FakeLeases(world.cache, LoopClock())
    processes = [process_beside(world, leases) for _ in range(2)]
    together = [["x", "y"], ["y", "x"]]
    answers = await asyncio.gather(
        *(process.ask(texts) for process, texts in zip(processes, together, strict=True)), return_exceptions=True
    )
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert world.server.calls <= 2


@simulated
async def test_who_fails_with_what_it_leads_does_not_wait_for_others() -> None:
    world = World(Setup(seed=1, lease=True))
    leases = FakeLeases(world.cache, LoopClock())
    world.server.deeds = ["refuses"]
    process = process_beside(world, leases)
    space = (await process.services.routes.current())["small"].space
    leases.taken = {Keyring("a", space).key("theirs"): LoopClock().now_s() + 10}
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(RefusedByProvider):
        await process.ask(["mine", "theirs"])
    assert asyncio.get_running_loop().time() - began_s < 1.5
    assert world.server.calls == 1


@simulated
async def test_what_a_lease_leaves_is_called_at_the_price_that_was_held() -> None:
    world = World(Setup(seed=1, lease=True))
    texts = ["mine, and long enough to have fewer tokens than bytes", "theirs"]
    exact = sum(cost_nano_usd(tokens_of(text), PRICE) for text in texts)
    world.limits["a"] = replace(LIMITS, day_nano_usd=exact)
    leases = FakeLeases(world.cache, LoopClock())
    process = process_beside(world, leases)
    process.services = replace(process.services, tokenizers=Counter(able=True))
    space = (await process.services.routes.current())["small"].space
    leases.taken = {Keyring("a", space).key(texts[1]): LoopClock().now_s() + 10}
    answer = await process.ask(texts)
    assert (answer.misses, world.server.calls) == (2, 2)
