"""Do two things that belong together end together, whatever either of them waits for?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.together import together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

Step: TypeAlias = Literal["turn", "future", "sleep", "nested"]
End: TypeAlias = Literal["returns", "raises"]
STEPS = st.lists(st.sampled_from(["turn", "future", "sleep", "nested"]), max_size=3)
ENDS = st.sampled_from(["returns", "raises"])


class Wrong(Exception):
    """What one of them may raise."""


class Two:
    """Two things, each by the steps that it takes, and what became of them."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def do(self, name: str, steps: Sequence[Step], end: End = "returns") -> str:
        self.did.append(f"{name} begins")
        try:
            for step in steps:
                await self._take(step)
        except asyncio.CancelledError:
            self.did.append(f"{name} is cancelled")
            raise
        self.did.append(f"{name} ends")
        if end == "raises":
            raise Wrong(name)
        return name

    async def _take(self, step: Step) -> None:
        loop = asyncio.get_running_loop()
        match step:
            case "turn":
                await asyncio.sleep(0)
            case "future":
                waited_for: asyncio.Future[None] = loop.create_future()
                loop.call_soon(lambda: waited_for.done() or waited_for.set_result(None))
                await waited_for
            case "sleep":
                await asyncio.sleep(0.001)
            case "nested":
                async with asyncio.timeout(5):
                    await self._take("future")


@given(STEPS, ENDS, STEPS, ENDS)
def test_the_outcome_is_the_firsts_failure_else_the_seconds_else_both(
    first: Sequence[Step], first_end: End, second: Sequence[Step], second_end: End
) -> None:
    two = Two()

    async def both() -> None:
        doing = together(two.do("one", first, first_end), two.do("two", second, second_end))
        if first_end == "returns" == second_end:
            assert await doing == ("one", "two")
        else:
            with pytest.raises(Wrong) as wrong:
                await doing
            assert str(wrong.value) == ("one" if first_end == "raises" else "two")
        assert len(asyncio.all_tasks()) == 1  # nothing goes on

    asyncio.run(both())


@given(STEPS, STEPS, st.integers(0, 6))
def test_who_is_cancelled_cancels_both_and_leaves_nothing_behind(
    first: Sequence[Step], second: Sequence[Step], turns: int
) -> None:
    two = Two()

    async def request() -> None:
        await together(two.do("one", first), two.do("two", second))

    async def both() -> None:
        task = asyncio.create_task(request())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(both())
    for name in ("one", "two"):
        ended = {f"{name} ends", f"{name} is cancelled"}
        assert (f"{name} begins" in two.did) == bool(ended.intersection(two.did))


async def test_while_the_first_waits_the_second_goes_on() -> None:
    two = Two()
    both = ("future", "turn", "nested")
    assert await together(two.do("one", both), two.do("two", both)) == ("one", "two")
    assert two.did[:2] == ["one begins", "two begins"]


async def test_where_the_first_waits_for_nothing_the_second_needs_no_task() -> None:
    tasks: list[object] = []

    async def second() -> None:
        tasks.append(asyncio.current_task())

    await together(Two().do("one", ()), second())
    assert tasks == [asyncio.current_task()]


@pytest.mark.filterwarnings("error")
async def test_where_the_first_fails_at_once_the_second_is_never_begun() -> None:
    two = Two()
    with pytest.raises(Wrong):
        await together(two.do("one", (), "raises"), two.do("two", ("turn",)))
    assert two.did == ["one begins", "one ends"]


async def test_the_first_may_go_on_though_it_is_cancelled() -> None:
    two = Two()

    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done"

    task = asyncio.create_task(together(stubborn(), two.do("two", ())))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == ("done", "two")


def test_a_first_that_is_thrown_away_while_it_waits_is_closed() -> None:
    closed: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("one")

    async def begun() -> None:
        doing: Coroutine[Any, Any, object] = together(waits(), Two().do("two", ()))
        doing.send(None)
        doing.close()

    with pytest.raises(RuntimeError):  # what is closed must not wait, and the second has to be waited for
        asyncio.run(begun())
    assert closed == ["one"]
