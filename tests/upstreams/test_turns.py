"""Does a place go to who is next, and is none ever lost, whoever gives up waiting?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.upstreams.turns import Places
from tests.adapters.slowly import turns

if TYPE_CHECKING:
    from embedge.upstreams.turns import Turn


async def test_who_has_low_priority_is_last_however_early_it_came() -> None:
    places, served = Places(1), list[str]()
    await places.acquire()

    async def call(name: str, turn: Turn) -> None:
        await places.acquire(turn)
        served.append(name)
        places.release()

    tasks = [asyncio.create_task(call(name, "last" if "flex" in name else "first")) for name in ("flex", "a", "b")]
    await turns()
    late = asyncio.create_task(call("c", "first"))
    await turns()
    places.release()
    await asyncio.gather(*tasks, late)
    assert served == ["a", "b", "c", "flex"]
    assert not places.locked()


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["ask", "ask", "release", "cancel"]), st.integers(0, 9), st.booleans())),
)
async def test_as_many_as_allowed_have_a_place_and_in_the_end_all_are_free(
    number: int, steps: list[tuple[str, int, bool]]
) -> None:
    places, asking = Places(number), list[asyncio.Task[bool]]()
    held = 0
    for what, which, last in steps:
        if what == "ask":
            asking.append(asyncio.create_task(places.acquire("last" if last else "first")))
        elif what == "cancel":
            _cancel(asking, which)  # perhaps one that has just been granted its place
        elif held:
            places.release()
            held -= 1
        if which % 2:
            await turns()
            held += _granted(asking)
            asking = [task for task in asking if not task.done()]
        assert held <= number
    await _end(places, asking, held)
    async with asyncio.timeout(1):
        for _ in range(number):
            await places.acquire()
    assert places.locked()


async def _end(places: Places, asking: list[asyncio.Task[bool]], held: int) -> None:
    for task in asking:
        task.cancel()
    await turns()
    for _ in range(held + _granted(asking)):
        places.release()


def _granted(asking: list[asyncio.Task[bool]]) -> int:
    return sum(task.done() and not task.cancelled() for task in asking)


def _cancel(asking: list[asyncio.Task[bool]], which: int) -> None:
    if asking:
        asking[which % len(asking)].cancel()
