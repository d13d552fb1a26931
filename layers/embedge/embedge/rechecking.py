"""Is a hit that all share still what the model says? One in a thousand is embedded again, beside its request.

A provider that mixes up a batch leaves wrong vectors under right keys, and on a shared route everybody finds them. What
two answers agree on against the entry makes its whole space unfindable. Nothing of this is the request's: it neither
pays for it nor hears of it, and where it has to wait, it waits a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from embedge.core.cache_key import space_id
from embedge.core.metering import cost_nano_usd
from embedge.core.recheck import Pace, Sampler, agree, asked, finding
from embedge.core.request import Call
from embedge.core.route import Route, Target
from embedge.core.vector_codec import FloatVector, StoredVector
from embedge.core.wanted import Wanted, WantedInput
from embedge.ports import Clock, SecondOpinions

# A space is purged no more often than this by one process: a model that never says the same twice would have it
# purged again and again, and everybody pay for that.
_PURGED_AGAIN_S = 3600
_LONGEST_PURGE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Doubted:
    """A hit that is embedded again, for the request that found it."""

    call: Call
    route: Route
    wanted: WantedInput
    kept: StoredVector


class Beside:
    """Something that goes on while a request is served; mostly nothing."""

    def __init__(self, task: asyncio.Task[None] | None = None) -> None:
        """Take what is to be over when the request is."""
        self._task = task

    async def __aenter__(self) -> None:
        """Begin."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for it, within its own limits; where the request has failed, end it at once."""
        if self._task is not None:
            if kind is not None:
                self._task.cancel()
            try:
                await asyncio.wait({self._task})
            finally:
                self._task.cancel()


_NOTHING = Beside()


@dataclass(slots=True)
class Rechecks:
    """What this process doubts. `distrust` makes unfindable all that lies in the space of that id."""

    opinions: SecondOpinions
    distrust: Callable[[bytes], Awaitable[None]]
    clock: Clock
    random: Callable[[], float]
    on_fault: Callable[[str], None]
    pace: Pace
    _sampler: Sampler = field(init=False)
    _next_s: float = float("-inf")
    _living_on: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _purged_s: dict[bytes, float] = field(default_factory=dict[bytes, float])

    def __post_init__(self) -> None:
        """Draw the first."""
        self._sampler = Sampler(self.pace.one_in, self.random)

    def beside(self, call: Call, wanted: Wanted, cached: Mapping[bytes, StoredVector]) -> Beside:
        """Begin to embed a hit of this request again, where one is drawn."""
        place = self._sampler.pick(len(cached)) if wanted.route.shared and cached else None
        if place is None or (now_s := self.clock.now_s()) < self._next_s or self._living_on:
            return _NOTHING
        self._next_s = now_s + self.pace.least_s_between
        key = list(cached)[place]
        one = next(item for item in wanted.inputs if item.key == key)
        task = asyncio.create_task(self._check(_Doubted(call, wanted.route, one, cached[key])))
        if not self.pace.lives_on:
            return Beside(task)
        self._living_on.add(task)
        task.add_done_callback(self._living_on.discard)
        return _NOTHING

    async def close(self) -> None:
        """End what lives on."""
        under_way = tuple(self._living_on)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _check(self, doubted: _Doubted) -> None:
        try:
            await self._compare(doubted)
        except TimeoutError:
            self.on_fault("recheck_cut")
        except asyncio.CancelledError:
            self.on_fault("recheck_cut")
            raise
        except Exception:  # noqa: BLE001 (whatever it is, it must not be the request's)
            self.on_fault("recheck_failed")

    async def _compare(self, doubted: _Doubted) -> None:
        first, second = asked(doubted.route.targets, self.random())
        self.on_fault("rechecked")
        kept, answer = doubted.kept.floats(), await self._ask(doubted, first)
        if agree(kept, answer):
            return
        self.on_fault("recheck_mismatch")
        found = finding(kept, answer, await self._ask(doubted, second))
        if found == "models_differ":
            self.on_fault("recheck_models_differ")
        elif found == "other":
            await self._purge(doubted.route)

    async def _ask(self, doubted: _Doubted, target: Target) -> FloatVector:
        price = target.price_nano_usd_per_million_tokens
        doubted.call.observation.recheck_nano_usd += cost_nano_usd(doubted.kept.tokens, price)
        async with asyncio.timeout(self.pace.longest_s):
            return await self.opinions.embed(doubted.route, target, doubted.wanted.content)

    async def _purge(self, route: Route) -> None:
        space, now_s = space_id(route.space), self.clock.now_s()
        if now_s < self._purged_s.get(space, float("-inf")) + _PURGED_AGAIN_S:
            return
        self._purged_s[space] = now_s
        try:
            async with asyncio.timeout(_LONGEST_PURGE_S):
                await self.distrust(space)
        except BaseException:
            del self._purged_s[space]
            raise
        self.on_fault("recheck_purged")
