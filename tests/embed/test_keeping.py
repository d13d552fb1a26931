"""Does what the cache keeps change nothing but what is paid, and is that said?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.core.admission_economics import DYNAMODB_ON_DEMAND
from tests.embed.world import Setup, World, is_right

if TYPE_CHECKING:
    from embedge.core.route import Admit, Storage

ADMITS: st.SearchStrategy[Admit] = st.sampled_from(["always", "economic", "second_sight", "never"])
BATCHES = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=9), min_size=1, max_size=6)


@settings(deadline=None)
@given(ADMITS, BATCHES)
def test_no_policy_changes_an_answer(admit: Admit, batches: list[list[str]]) -> None:
    async def run() -> None:
        world = World(Setup(admit=admit, store_prices=DYNAMODB_ON_DEMAND))
        for texts in batches:
            assert is_right(await world.ask(texts), texts)

    asyncio.run(run())


@pytest.mark.parametrize(("admit", "calls", "kept"), [("always", 1, 1), ("second_sight", 2, 1), ("never", 3, 0)])
async def test_a_text_that_is_asked_for_three_times_is_paid_for_as_the_route_says(
    admit: Admit, calls: int, kept: int
) -> None:
    world = World(Setup(admit=admit, store_prices=DYNAMODB_ON_DEMAND))
    for _ in range(3):
        await world.ask(["a"])
    assert (len(world.server.asked), len(world.cache.values)) == (calls, kept)


async def test_what_the_cache_took_is_seen_also_where_the_request_fails() -> None:
    world = World(Setup(admit="always", store_prices=DYNAMODB_ON_DEMAND))
    await world.ask(["a"])
    assert world.observation.cache_spent_nano_usd > 625  # a write unit, what it takes to keep it, and a lookup in vain
    await world.ask(["a"])
    assert world.observation.cache_spent_nano_usd == 63
    world.server.will("refuses the input", times=9)
    with pytest.raises(Exception, match="no: 1 inputs"):
        await world.ask(["a", "b"])
    assert world.observation.cache_spent_nano_usd == 125


@pytest.mark.parametrize("storage", ["f32", "f32z", "f16"])
async def test_a_hit_equals_its_miss_whatever_form_is_kept(storage: Storage) -> None:
    world = World(Setup(storage=storage))
    miss, hit = [await world.ask(["a", "b"]) for _ in range(2)]
    assert (hit.hits, hit.vectors) == (2, miss.vectors)
    assert is_right(hit, ["a", "b"]) == (storage != "f16")
