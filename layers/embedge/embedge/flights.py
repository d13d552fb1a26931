"""Who in this process is fetching a vector already? Whoever needs the same one waits for it, and pays nothing.

The law: for a key, one request at a time leads, and its vector reaches everyone who came before it landed. Each leads
what is its own before it waits for what others lead, so two that need each other's both arrive. A leader's failure is
its own: its budget, its deadline, its cancellation and a neighbour's bad input say nothing about its followers. They
try again, one of them leading. Only what says that its targets cannot serve anybody now is shared, among those who
would ask the same targets; or as many as wait would learn it one after the other, each at the length of its retries.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from embedge.core.route import Target
from embedge.core.vector_codec import StoredVector
from embedge.core.wanted import WantedInput
from embedge.errors import EmbeddingsNotAvailable, EmbedgeError, UpstreamCold, UpstreamRejected, UpstreamUnavailable
from embedge.upstreams.journey import deadline_passed

_SHARED = (UpstreamUnavailable, UpstreamCold, UpstreamRejected, EmbeddingsNotAvailable)


class Brought(Protocol):
    """What fetching came to: vectors, and the first thing that went wrong."""

    @property
    def vectors(self) -> Mapping[bytes, StoredVector]:
        """By their keys."""
        ...

    @property
    def error(self) -> EmbedgeError | None:
        """None where every vector came."""
        ...


_Brought = TypeVar("_Brought", bound=Brought)
_Fetching: TypeAlias = Callable[[Sequence[WantedInput]], Coroutine[Any, Any, _Brought]]


@dataclass(eq=False, slots=True)
class _Flight:
    """What one leader fetches, and how many wait for it. `task` is set once its leader is cancelled."""

    targets: tuple[Target, ...]
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    vectors: Mapping[bytes, StoredVector] = field(default_factory=dict[bytes, StoredVector])
    error: EmbedgeError | None = None
    followers: int = 0
    task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """Follow no longer. Where the leader is gone too, nobody wants it any more."""
        self.followers -= 1
        if not self.followers and self.task is not None:
            self.task.cancel()


class Looking:
    """A while in which somebody looks into the cache; a class, because each request would wait for a generator."""

    def __init__(self, lookers: list[dict[bytes, StoredVector]]) -> None:
        """Take all who look now."""
        self._lookers = lookers
        self._landed: dict[bytes, StoredVector] = {}

    def __enter__(self) -> Mapping[bytes, StoredVector]:
        """Begin."""
        self._lookers.append(self._landed)
        return self._landed

    def __exit__(self, *_: object) -> None:
        """End; what one looker has is not another's, be they as equal as may be."""
        self._lookers[:] = [other for other in self._lookers if other is not self._landed]


class Flights:
    """Everything that is being fetched in this process."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, _Flight] = {}
        self._lookers: list[dict[bytes, StoredVector]] = []

    def looking(self) -> "Looking":
        """Give what lands while one looks into the cache: it may have come too late to be found there."""
        return Looking(self._lookers)

    async def fetch(
        self,
        misses: Sequence[WantedInput],
        targets: tuple[Target, ...],
        deadline_s: float,
        fetching: _Fetching[_Brought],
    ) -> tuple[_Brought | None, Mapping[bytes, StoredVector]]:
        """Fetch what nobody is fetching, then wait for the rest; return what was fetched, and what others got.

        Of the rest, what others failed to get is not there. Raises: what went wrong with what was fetched; what says
        that the targets can serve nobody; UpstreamTimeout.
        """
        own, mine, theirs = _Flight(targets), list[WantedInput](), dict[bytes, _Flight]()
        for miss in misses:
            flight = self._under_way.setdefault(miss.key, own)
            if flight is own:
                mine.append(miss)
            else:
                theirs[miss.key] = flight
        followed = set(theirs.values())
        for flight in followed:
            flight.followers += 1
        try:
            brought = await self._lead(own, mine, fetching) if mine else None
            return brought, await _follow(theirs, targets, deadline_s)
        finally:
            for flight in followed:
                flight.leave()

    async def _lead(self, own: _Flight, mine: Sequence[WantedInput], fetching: _Fetching[_Brought]) -> _Brought:
        task = asyncio.create_task(fetching(mine))
        try:
            brought = await asyncio.shield(task)
            own.vectors, own.error = brought.vectors, brought.error
        except asyncio.CancelledError:
            await _linger(task, own)
            raise
        finally:
            for miss in mine:
                del self._under_way[miss.key]
            for landed in self._lookers:
                landed.update(own.vectors)
            own.landed.set()
        if brought.error is not None:
            raise brought.error
        return brought


async def _linger(task: asyncio.Task[_Brought], own: _Flight) -> None:
    """Stay, though cancelled, while somebody follows, so that what the fetching costs is in the leader's log line.

    Cancelled again, or with nobody left, end the fetching, and wait until it has settled.
    """
    try:
        if own.followers:
            own.task = task
            await asyncio.wait({task})
    finally:
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            own.vectors, own.error = outcome.vectors, outcome.error


async def _follow(
    theirs: Mapping[bytes, _Flight], targets: tuple[Target, ...], deadline_s: float
) -> Mapping[bytes, StoredVector]:
    arrived: dict[bytes, StoredVector] = {}
    try:
        async with asyncio.timeout_at(deadline_s):
            for flight in set(theirs.values()):
                await flight.landed.wait()
    except TimeoutError:
        raise deadline_passed() from None
    for key, flight in theirs.items():
        if key in flight.vectors:
            arrived[key] = flight.vectors[key]
        elif isinstance(flight.error, _SHARED) and flight.targets == targets:
            raise flight.error
    return arrived
