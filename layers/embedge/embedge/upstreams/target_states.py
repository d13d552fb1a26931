"""What does this process remember of each target?

It is born with the process and dies with it: another process may reach what this one cannot.
"""

import asyncio
from collections import OrderedDict
from typing import TypeAlias
from weakref import WeakValueDictionary

from embedge.core.breaker import Breaker
from embedge.core.route import Route, Target
from embedge.upstreams.latencies import Latencies
from embedge.upstreams.retry_budget import RetryBudget
from embedge.upstreams.turns import Places

MOST_REMEMBERED = 1024

_Key: TypeAlias = tuple[str, str, str, int]


class TargetState:
    """One target: places for calls under way, permissions to repeat, a breaker, latencies, and its last reload."""

    def __init__(self, concurrency: int) -> None:
        """Start with every place free."""
        self.places = Places(concurrency)
        self.budget = RetryBudget()
        self.breaker = Breaker()
        self.latencies = Latencies()
        self.reloading = asyncio.Lock()
        self.reloaded_s: float | None = None


class TargetStates:
    """The states of the targets that were asked last, and of all that are being asked."""

    def __init__(self) -> None:
        self._recent: OrderedDict[_Key, TargetState] = OrderedDict()
        # What is in use is found again, also when so many others were asked that it is not among the recent ones.
        self._in_use: WeakValueDictionary[_Key, TargetState] = WeakValueDictionary()

    def of(self, route: Route, target: Target) -> TargetState:
        """Return the state of a target; one with another endpoint or concurrency is another, and starts afresh."""
        key = (route.alias, target.id, target.endpoint, target.limits.concurrency)
        state = self._in_use.get(key)
        if state is None:
            state = self._in_use[key] = TargetState(target.limits.concurrency)
        self._recent[key] = state
        self._recent.move_to_end(key)
        if len(self._recent) > MOST_REMEMBERED:
            self._recent.popitem(last=False)
        return state

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._in_use)
