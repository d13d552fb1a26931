"""How much may a request wait for something it can do without? A moment; and nothing while that keeps failing."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from embedge.adapters.dynamodb_calls import FaultKind, fault_kind
from embedge.core.breaker import Breaker, Health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence


class BoundedCalls:
    """Calls of one kind. Those of a request are made side by side, within one time limit.

    Where those of several requests running have failed, a breaker lets none through for a while, then one to try.
    """

    def __init__(self, kind: FaultKind, limit_s: float, on_fault: Callable[[str], None]) -> None:
        """Take the word for a fault of this kind, the limit, and whom to tell."""
        self._kind: FaultKind = kind
        self._limit_s = limit_s
        self._on_fault = on_fault
        self._breaker = Breaker()

    async def make(self, calls: Iterable[Awaitable[None]]) -> None:
        """Make the calls, and count those that fail or are not done within the limit. Raises: nothing."""
        loop = asyncio.get_running_loop()
        if self._breaker.wait_s(loop.time()) > 0:
            self._on_fault(f"{self._kind}_bypassed")
            return
        era, health = self._breaker.enter(), "neither"
        try:
            health = await self._within_limit(calls)
        finally:  # one that was cut off has said nothing
            if self._breaker.leave(era, health, loop.time(), random.random()):  # noqa: S311 (no secret)
                self._on_fault("cache_breaker_opened")

    async def _within_limit(self, calls: Iterable[Awaitable[None]]) -> Health:
        asked = list(calls)
        if not asked:
            return "neither"
        try:
            async with asyncio.timeout(self._limit_s):
                if len(asked) == 1:  # as for most requests: a task of its own would be for nothing
                    return "good" if await self._faultless(asked[0]) else "bad"
                return "good" if all(await _side_by_side(map(self._faultless, asked))) else "bad"
        except TimeoutError:
            self._on_fault("timeout")
            return "bad"

    async def _faultless(self, call: Awaitable[None]) -> bool:
        """Return whether the call has not failed."""
        try:
            await call
        except Exception as error:  # noqa: BLE001 (no fault here may become a request's, and the calls beside it go on)
            self._on_fault(fault_kind(error, self._kind))
            return False
        return True


async def _side_by_side(calls: Iterable[Coroutine[Any, Any, bool]]) -> Sequence[bool]:
    async with asyncio.TaskGroup() as under_way:
        tasks = [under_way.create_task(call) for call in calls]
    return [task.result() for task in tasks]
