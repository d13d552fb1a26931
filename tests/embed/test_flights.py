"""Is each vector fetched once, however many need it, and does nobody suffer from what is another's?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedge.core.vector_codec import StoredVector, encode
from embedge.core.wanted import WantedInput
from embedge.errors import (
    BudgetSpent,
    EmbeddingsNotAvailable,
    EmbedgeError,
    RefusedByProvider,
    ServiceUnavailable,
    TokenRateLimited,
    UpstreamCold,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from embedge.flights import Flights
from tests.core.samples import document, route, target
from tests.upstreams.simulated import simulated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.route import Target

HERE = route().targets
ELSEWHERE = route(**document(targets=[target(id="two")])).targets
SHARED = (UpstreamUnavailable, UpstreamCold, UpstreamRejected, EmbeddingsNotAvailable)
ITS_OWN = (
    BudgetSpent,
    TokenRateLimited,
    ServiceUnavailable,
    RefusedByProvider,
    UpstreamTimeout,
    UpstreamInvalidResponse,
)


def key(name: str) -> bytes:
    return name.encode().ljust(32)


def misses(names: str) -> list[WantedInput]:
    return [WantedInput(index, name, key(name), 1, 1) for index, name in enumerate(names)]


@dataclass(frozen=True)
class Brought:
    vectors: Mapping[bytes, StoredVector]
    error: EmbedgeError | None = None


@dataclass
class Fetching:
    """Takes a second; what it was asked for, and how often it was cut off. What it fails with comes first."""

    asked: list[str] = field(default_factory=list[str])
    cut_off: int = 0
    raises: list[EmbedgeError] = field(default_factory=list[EmbedgeError])
    meets: list[EmbedgeError] = field(default_factory=list[EmbedgeError])

    async def fetch(self, wanted: Sequence[WantedInput]) -> Brought:
        self.asked.append("".join(item.content for item in wanted if isinstance(item.content, str)))
        vectors = {
            item.key: encode(item.key, np.full(2, len(self.asked), np.float32), 1, estimated=False) for item in wanted
        }
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cut_off += 1
            await asyncio.sleep(0.5)  # to settle
            raise
        if self.raises:
            raise self.raises.pop(0)
        if self.meets:
            return Brought({}, self.meets.pop(0))
        return Brought(vectors)


class Sky:
    """Flights, and what fetches for all of them."""

    def __init__(self) -> None:
        self.flights = Flights()
        self.fetching = Fetching()

    async def get(self, names: str, targets: tuple[Target, ...] = HERE, seconds: float = 30.0) -> set[str]:
        """Ask as the way does, until all is there; return what was fetched in other requests."""
        wanted, deadline_s, theirs = misses(names), asyncio.get_running_loop().time() + seconds, set[bytes]()
        while wanted:
            brought, arrived = await self.flights.fetch(wanted, targets, deadline_s, self.fetching.fetch)
            theirs |= arrived.keys()
            there = {**arrived, **(brought.vectors if brought else {})}
            wanted = [miss for miss in wanted if miss.key not in there]
        return {one.decode().strip() for one in theirs}


async def begun(sky: Sky, names: str) -> asyncio.Task[set[str]]:
    task = asyncio.create_task(sky.get(names))
    await asyncio.sleep(0.1)
    return task


@simulated
async def test_what_is_under_way_is_waited_for_and_only_the_rest_is_fetched() -> None:
    sky = Sky()
    assert await asyncio.gather(sky.get("xy"), sky.get("yz"), sky.get("zx")) == [set(), {"y"}, {"z", "x"}]
    assert sky.fetching.asked == ["xy", "z"]


@simulated
async def test_what_has_landed_is_fetched_anew() -> None:
    sky = Sky()
    await sky.get("x")
    await sky.get("x")
    assert sky.fetching.asked == ["x", "x"]


@simulated
async def test_what_lands_while_one_looks_is_seen_and_nothing_before_or_after() -> None:
    sky = Sky()
    await sky.get("a")
    task = await begun(sky, "x")
    with sky.flights.looking() as landed:
        await task
    await sky.get("b")
    assert set(landed) == {key("x")}


@pytest.mark.parametrize("kind", ITS_OWN)
@simulated
async def test_a_failure_of_the_leader_s_own_is_not_given_to_followers_and_one_of_them_leads(
    kind: type[EmbedgeError],
) -> None:
    for how in ("raises", "meets"):
        sky = Sky()
        getattr(sky.fetching, how).append(kind("mine"))
        first, *others = await asyncio.gather(*(sky.get("x") for _ in range(4)), return_exceptions=True)
        assert isinstance(first, kind)
        assert others == [set(), {"x"}, {"x"}]
        assert sky.fetching.asked == ["x", "x"]


@pytest.mark.parametrize("kind", SHARED)
@simulated
async def test_that_targets_serve_nobody_is_told_to_all_who_would_ask_them(kind: type[EmbedgeError]) -> None:
    sky = Sky()
    sky.fetching.meets.append(kind("down"))
    first, second, third = await asyncio.gather(
        sky.get("x"), sky.get("xy"), sky.get("x", ELSEWHERE), return_exceptions=True
    )
    assert isinstance(first, kind)
    assert first is second
    assert third == set(), "who has other targets asks those"
    assert sky.fetching.asked == ["x", "y", "x"]


@simulated
async def test_a_leader_that_is_cancelled_stays_until_who_follows_has_it() -> None:
    sky = Sky()
    leader, follower = await begun(sky, "x"), await begun(sky, "x")
    leader.cancel()
    await asyncio.sleep(0.1)
    assert not leader.done()
    assert await follower == {"x"}
    await asyncio.wait({leader})
    assert leader.cancelled()
    assert (sky.fetching.asked, sky.fetching.cut_off) == (["x"], 0)


@simulated
async def test_a_leader_that_nobody_follows_ends_when_it_is_cancelled_and_has_settled_then() -> None:
    sky = Sky()
    leader, loop = await begun(sky, "x"), asyncio.get_running_loop()
    leader.cancel()
    cancelled_s = loop.time()
    await asyncio.wait({leader})
    assert (sky.fetching.cut_off, loop.time() - cancelled_s) == (1, pytest.approx(0.5))
    assert await sky.get("x") == set()


@simulated
async def test_a_leader_that_is_cancelled_twice_ends_and_a_follower_leads() -> None:
    sky = Sky()
    leader, follower = await begun(sky, "x"), await begun(sky, "x")
    leader.cancel()
    await asyncio.sleep(0.1)
    leader.cancel()
    assert await follower == set()
    assert leader.cancelled()
    assert (sky.fetching.asked, sky.fetching.cut_off) == (["x", "x"], 1)


@simulated
async def test_what_nobody_waits_for_any_more_is_ended() -> None:
    sky = Sky()
    leader, follower = await begun(sky, "x"), await begun(sky, "x")
    leader.cancel()
    await asyncio.sleep(0)
    follower.cancel()
    await asyncio.wait({leader, follower})
    assert leader.cancelled()
    assert sky.fetching.cut_off == 1


@simulated
async def test_a_follower_s_deadline_is_its_own() -> None:
    sky = Sky()
    leader = await begun(sky, "x")
    with pytest.raises(UpstreamTimeout):
        await sky.get("x", seconds=0.3)
    assert await leader == set()
    assert sky.fetching.asked == ["x"]
