"""Who gets the next place at a target? Who came first, and calls of lower priority only when nobody else waits."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Literal, TypeAlias

Turn: TypeAlias = Literal["first", "last"]


class Places:
    """So many calls may be under way at once; the others wait in two queues."""

    def __init__(self, number: int) -> None:
        """Start with all of them free."""
        self._free = number
        self._queues: dict[Turn, deque[asyncio.Future[None]]] = {"first": deque(), "last": deque()}

    def locked(self) -> bool:
        """Tell whether who comes now has to wait."""
        return self._free == 0

    async def acquire(self, turn: Turn = "first") -> Literal[True]:
        """Take a place, once there is one."""
        if self._free:
            self._free -= 1
            return True
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues[turn].append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                with suppress(ValueError):
                    self._queues[turn].remove(granted)
            else:  # it came at the same moment
                self.release()
            raise
        return True

    def release(self) -> None:
        """Hand a place to who is next, or leave it free."""
        for queue in self._queues.values():
            while queue:
                granted = queue.popleft()
                if not granted.done():
                    granted.set_result(None)
                    return
        self._free += 1
