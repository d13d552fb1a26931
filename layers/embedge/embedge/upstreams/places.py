"""Which of several equal targets has a place for a call first? So that none is waited for while another could serve."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

from embedge.upstreams.journey import Leg
from embedge.upstreams.turns import Turn


@asynccontextmanager
async def place_at_one_of(legs: Sequence[Leg], turn: Turn = "first") -> AsyncGenerator[Leg]:
    """Hold a place at the first of these that has one; where none has, at the first that gets one, in its `turn`."""
    free = [leg for leg in legs if not leg.state.places.locked()]
    if free or len(legs) == 1:
        leg = (free or legs)[0]
        await leg.state.places.acquire(turn)
    else:
        leg = await _first_to_get_one(legs, turn)
    try:
        yield leg
    finally:
        leg.state.places.release()


async def _first_to_get_one(legs: Sequence[Leg], turn: Turn) -> Leg:
    """Wait in every queue at once, and leave the others; also when nobody waits for this any more."""
    asking = {asyncio.create_task(leg.state.places.acquire(turn)): leg for leg in legs}
    kept = None
    try:
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        kept = next(task for task in asking if task.done())
        return asking[kept]
    finally:
        for task, leg in asking.items():
            if task is not kept:
                task.cancel()
                task.add_done_callback(partial(_give_back, leg))


def _give_back(leg: Leg, asked: "asyncio.Task[Literal[True]]") -> None:
    if not asked.cancelled():
        leg.state.places.release()
