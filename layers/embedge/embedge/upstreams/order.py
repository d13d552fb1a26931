"""What does one request want from upstream, and what has come of it?"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from embedge.core.assembly import Delivered
from embedge.core.batching import Plan
from embedge.core.route import Route
from embedge.errors import EmbedgeError
from embedge.ports import Hold
from embedge.upstreams.turns import Turn

Counting: TypeAlias = asyncio.Task[Mapping[bytes, int] | None]


@dataclass(frozen=True, slots=True)
class Order:
    """What one request wants from upstream, what it may spend of time and money, and whose turn comes before."""

    plan: Plan
    route: Route
    hold: Hold
    counting: Counting
    deadline_s: float
    turn: Turn = "first"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, and the first thing that went wrong; what came is paid for, and worth keeping either way."""

    delivered: tuple[Delivered, ...]
    error: EmbedgeError | None


class Errand:
    """An order while it is carried out, by many calls at once."""

    def __init__(self, order: Order) -> None:
        """Begin with nothing."""
        self.order = order
        self.delivered: list[Delivered] = []
        self.error: EmbedgeError | None = None
        self._failed = asyncio.Event()

    def fail(self, error: EmbedgeError) -> None:
        """Give up; the first reason stands. Calls under way may finish, others are not sent any more."""
        self.error = self.error or error
        self._failed.set()

    async def pause(self, until_s: float) -> None:
        """Wait until that time on the loop's clock, or until there is nothing to wait for any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._failed.wait()
