"""Where a route says so, do all who miss a text at the same time get one vector?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pybase64

from embedge.flights import Flights
from embedge.ports import WireResponse
from embedge.upstreams import Upstreams
from tests.embed.world import NoSecrets, Server, Setup, World

if TYPE_CHECKING:
    from embedge.core.assembly import Embedded
    from embedge.core.route import Target
    from embedge.ports import WireRequest


class Fickle:
    """The Transport port: a server that never gives a text the same vector twice, as those on GPUs do not."""

    def __init__(self) -> None:
        self._server, self._calls = Server("openai"), 0

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        self._calls += 1
        scale = np.float32(1 + self._calls / 1000)
        answer = json.loads((await self._server.send(target, request)).body)
        for row in answer["data"]:
            vector = np.frombuffer(pybase64.b64decode(row["embedding"]), dtype="<f4") * scale
            row["embedding"] = pybase64.b64encode(vector.tobytes()).decode()
        await asyncio.sleep(0)
        return WireResponse(200, {}, json.dumps(answer).encode())


async def answers(*, first_writer: bool) -> set[bytes]:
    """Return the different vectors that four processes that ask at once, and one that asks later, get of one text."""
    world = World(Setup(first_writer=first_writer))
    upstreams = Upstreams({"https": Fickle()}, NoSecrets(), lambda: 0.0, world.faults.append)

    async def ask(number: int) -> Embedded:
        world.services = replace(world.services, upstreams=upstreams, flights=Flights())
        return await world.ask(["one", f"another {number}"])

    at_once = await asyncio.gather(*(ask(number) for number in range(4)))
    return {embedded.vectors[0].kept() for embedded in (*at_once, await world.ask(["one"]))}


async def test_all_who_miss_a_text_at_once_answer_with_what_was_kept_first() -> None:
    assert len(await answers(first_writer=True)) == 1


async def test_without_that_each_has_what_it_paid_for() -> None:
    assert len(await answers(first_writer=False)) == 4


async def test_a_cache_that_fails_leaves_each_with_its_own_answer() -> None:
    world = World(Setup(first_writer=True))
    world.cache.down = True
    assert len((await world.ask(["one"])).vectors) == 1


async def test_what_the_cache_is_not_to_keep_is_nobody_s_first() -> None:
    world = World(Setup(first_writer=True, admit="never"))
    assert len((await world.ask(["one"])).vectors) == 1
    assert world.cache.values == {}
