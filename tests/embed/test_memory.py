"""Is what is in memory always found, whatever the table keeps, and does the table's account know nothing of it?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge import purging
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND
from tests.embed.world import Setup, World, is_right

if TYPE_CHECKING:
    from embedge.core.route import Admit

REMEMBERING = Setup(admit="economic", store_prices=DYNAMODB_ON_DEMAND, memory_bytes=10**6)


async def test_a_short_text_that_is_not_worth_an_entry_is_a_hit_the_second_time() -> None:
    world = World(REMEMBERING)
    answers = [await world.ask(["ok"]) for _ in range(3)]
    assert [(answer.hits, answer.misses) for answer in answers] == [(0, 1), (1, 0), (1, 0)]
    assert answers[1].vectors == answers[0].vectors
    assert len(world.server.asked) == 1
    assert world.cache.values == {}


async def test_a_hit_from_memory_asks_nobody_and_costs_nothing() -> None:
    world = World(REMEMBERING)
    await world.ask(["ok"])
    reads = world.cache.reads
    await world.ask(["ok"])
    assert (world.cache.reads - reads, world.observation.cache_spent_nano_usd, world.observation.cost_nano_usd) == (
        0,
        0,
        0,
    )
    assert world.observation.saved_nano_usd > 0


async def test_what_memory_has_is_no_read_of_the_table_either_in_the_account_of_a_request() -> None:
    world = World(replace(REMEMBERING, admit="always"))
    await world.ask(["a"])
    await world.ask(["a", "b"])
    with_b = world.observation.cache_spent_nano_usd
    await world.ask(["c"])
    assert (world.observation.hits, world.observation.cache_spent_nano_usd) == (0, with_b)


@pytest.mark.parametrize(("admit", "hits"), [("always", 1), ("economic", 1), ("second_sight", 1), ("never", 0)])
async def test_memory_is_asked_whatever_the_policy_but_where_nothing_may_be_kept(admit: Admit, hits: int) -> None:
    world = World(replace(REMEMBERING, admit=admit))
    await world.ask(["a"])
    assert (await world.ask(["a"])).hits == hits


async def test_a_route_that_keeps_nothing_takes_nothing_that_was_kept_before() -> None:
    world, strict = World(REMEMBERING), World(replace(REMEMBERING, admit="never"))
    await world.ask(["a"])
    services = replace(strict.services, memory=world.services.memory, cache=world.services.cache)
    strict.services = services
    assert (await strict.ask(["a"])).hits == 0


async def test_what_is_held_in_memory_alone_expires_as_an_entry_would() -> None:
    world = World(replace(REMEMBERING, ttl_s=60))
    await world.ask(["a"])
    world.clock.pass_time(59)
    assert (await world.ask(["a"])).hits == 1
    world.clock.pass_time(1)
    assert (await world.ask(["a"])).hits == 0


async def test_what_is_purged_is_not_found_in_memory_either() -> None:
    world = World(REMEMBERING)
    await world.ask(["a"])
    await purging.purge(world.control, purging.of_tenant("acme"))
    world.clock.pass_time(16)
    assert (await world.ask(["a"])).hits == 0


async def test_where_the_first_writer_counts_memory_holds_only_what_the_table_has() -> None:
    world = World(replace(REMEMBERING, first_writer=True))
    await world.ask(["ok"])
    assert world.cache.values == {}
    assert (await world.ask(["ok"])).hits == 0


async def test_hits_from_memory_say_nothing_of_what_an_entry_would_have_saved() -> None:
    """A text that memory has is one that the table need not have: only what memory misses counts as having come."""
    text, forgetful = (
        "a text of fifteen tokens that is asked for again and again",
        World(replace(REMEMBERING, memory_bytes=None)),
    )
    world = World(REMEMBERING)
    for _ in range(9):
        await world.ask([text])
        await forgetful.ask([text])
    assert (len(world.cache.values), len(forgetful.cache.values)) == (0, 1)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=9), min_size=1, max_size=8),
    st.sampled_from([0, 1200, 4000, 10**6]),
    st.sampled_from(["always", "economic", "second_sight", "never"]),
)
def test_no_memory_changes_an_answer_or_costs_a_call_more(
    batches: list[list[str]], memory_bytes: int, admit: Admit
) -> None:
    async def run() -> None:
        forgetful = World(Setup(admit=admit, store_prices=DYNAMODB_ON_DEMAND))
        world = World(replace(REMEMBERING, admit=admit, memory_bytes=memory_bytes))
        for texts in batches:
            assert is_right(await world.ask(texts), texts)
            await forgetful.ask(texts)
        assert sum(map(len, world.server.asked)) <= sum(map(len, forgetful.server.asked))

    asyncio.run(run())


async def test_what_falls_out_of_memory_is_found_in_the_table_where_it_was_worth_keeping() -> None:
    world = World(replace(REMEMBERING, admit="always"))
    await world.ask(["a"])
    memory = world.remembering(10**6)
    world.services = replace(world.services, memory=memory, cache=memory)
    assert (await world.ask(["a"])).hits == 1
    assert world.observation.cache_spent_nano_usd > 0
    reads = world.cache.reads
    assert (await world.ask(["a"])).hits == 1
    assert world.cache.reads == reads
