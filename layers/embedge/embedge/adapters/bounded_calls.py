"""How much may a request wait for something it can do without? A moment; and nothing while that keeps failing."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from embedge.adapters.dynamodb_calls import FaultKind, fault_kind
from embedge.core.breaker import Breaker, Health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence


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
        era = self._breaker.enter()
        health: Health = "neither"
        try:
            async with asyncio.timeout(self._limit_s):
                health = await self._all(list(calls))
        except TimeoutError:
            self._on_fault("timeout")
            health = "bad"
        finally:  # one that was cut off has said nothing
            if self._breaker.leave(era, health, loop.time(), random.random()):  # noqa: S311 (no secret)
                self._on_fault("cache_breaker_opened")

    async def _all(self, calls: Sequence[Awaitable[None]]) -> Health:
        if not calls:
            return "neither"
        if len(calls) == 1:  # as for most requests: a task of its own would be for nothing
            return "good" if await self._faultless(calls[0]) else "bad"
        async with asyncio.TaskGroup() as under_way:
            tasks = [under_way.create_task(self._faultless(call)) for call in calls]
        return "good" if all(task.result() for task in tasks) else "bad"

    async def _faultless(self, call: Awaitable[None]) -> bool:
        """Return whether the call has not failed."""
        try:
            await call
        except Exception as error:  # noqa: BLE001 (no fault here may become a request's, and the calls beside it go on)
            self._on_fault(fault_kind(error, self._kind))
            return False
        return True
