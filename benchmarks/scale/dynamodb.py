"""What does DynamoDB do with so many writes to one key? A table in memory that throttles and refuses as it does.

A partition key takes 1,000 write units and 3,000 read units a second, a second's worth at once:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html. A write whose condition
fails takes its units, a transaction two for each of its items, and while it is under way any other write to them is
refused, not queued: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html (2026-11).
Each partition key has a partition of its own from the start, which DynamoDB comes to only after some minutes of heat.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError

from benchmarks.scale.virtual_time import VirtualClock
from embedge.adapters.dynamodb_calls import FAULTS, may_pass, send, was_not_carried_out, was_throttled
from embedge.core.admission_economics import half_read_units
from embedge.core.conditional_update import (
    Applied,
    ConditionalUpdate,
    Item,
    ItemUpdate,
    Outcome,
    Refusals,
    Refused,
    evaluate,
)
from embedge.core.lease import OPEN, PREFIX, DueLease, is_due
from embedge.errors import ServiceUnavailable

_WRITE_UNITS, _READ_UNITS = 1_000.0, 3_000.0
_THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")
_CONFLICT = ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")
_NOBODY_KNOWS = ReadTimeoutError(endpoint_url="dynamodb")
_Done = TypeVar("_Done")
Evaluate: TypeAlias = Callable[[ConditionalUpdate, Item | None], Item | None]


def _cancelled(code: str) -> ClientError:
    answer = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": code}, {"Code": "None"}],
    }
    return ClientError(answer, "TransactWriteItems")  # pyright: ignore[reportArgumentType] (as botocore has it)


@dataclass(frozen=True, slots=True)
class Model:
    """How the table behaves. `scale` is what a partition takes of what DynamoDB's does, for fleets as much smaller."""

    scale: float = 1.0
    write_s: float = 0.004
    transaction_s: float = 0.010
    lost_replies: float = 0.0
    evaluate: Evaluate = evaluate  # or what is broken, to see that it is seen

    def held_s(self) -> float:
        """Return how long a transaction holds its items: half of what it takes, as much of the time at any scale."""
        return self.transaction_s / 2 / self.scale


@dataclass(slots=True)
class Heat:
    """What was asked of one key, in all and in each second: units that were taken, and calls that were turned away."""

    units: int = 0
    throttled: int = 0
    conflicts: int = 0
    by_second: Counter[int] = field(default_factory=Counter[int])

    def busiest(self, first_s: float = 0) -> int:
        """Return the most units that were taken within a second, from then on."""
        return max((units for second, units in self.by_second.items() if second >= first_s), default=0)

    def mean(self, first_s: float, last_s: float) -> float:
        """Return how many units were taken a second in between."""
        return sum(n for second, n in self.by_second.items() if first_s <= second < last_s) / max(1, last_s - first_s)

    def plus(self, other: "Heat") -> "Heat":
        """Return both together."""
        both = self.by_second + other.by_second
        return Heat(self.units + other.units, self.throttled + other.throttled, self.conflicts + other.conflicts, both)


class _Capacity:
    """What a partition may still take now."""

    def __init__(self, per_second: float) -> None:
        self._most = self._left = per_second
        self._at_s = 0.0

    def take(self, units: int, now_s: float) -> bool:
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._most)
        self._at_s = now_s
        if self._left < 1:  # what takes more is let in, and paid by those after it
            return False
        self._left -= units
        return True


class SimulatedDynamoDb:
    """The ports LedgerTable, LeaseItems and (to read) ControlTable, of one Region."""

    def __init__(self, model: Model, chance: random.Random, loop: asyncio.AbstractEventLoop) -> None:
        """Take how it behaves, what its latencies are drawn from, and the time."""
        self._model = model
        self._chance = chance
        self._loop = loop
        self._clock = VirtualClock(loop)
        self._writes = defaultdict[str, _Capacity](lambda: _Capacity(_WRITE_UNITS * model.scale))
        self._reads = defaultdict[str, _Capacity](lambda: _Capacity(_READ_UNITS * model.scale))
        self._held_until_s = defaultdict[tuple[str, str], float](float)
        self.items: dict[tuple[str, str], Item] = {}
        self.documents: dict[str, Mapping[str, str]] = {}
        self.write_heat = defaultdict[str, Heat](Heat)
        self.read_heat = defaultdict[str, Heat](Heat)

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        """Carry out an update, sent again as the adapter sends it. Raises: ServiceUnavailable."""
        return await self._sent(partial(self._update, ItemUpdate(pk, sk, update)), was_throttled)

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        """Carry out both updates or neither. Raises: ServiceUnavailable."""
        return await self._sent(partial(self._transaction, (first, second)), was_not_carried_out)

    async def query(self, pk: str) -> Mapping[str, str]:
        """Return the documents of a partition, read consistently. Raises: ServiceUnavailable."""
        return await self._sent(partial(self._query, pk), may_pass)

    async def due(self, now_s: float) -> Sequence[DueLease]:
        """Return the open leases whose time is over; it takes no time, for who looks on."""
        leases = (DueLease(pk, sk, item) for (pk, sk), item in self.items.items() if pk.startswith(PREFIX))
        return [lease for lease in leases if lease.item["s"] == OPEN and is_due(lease, now_s)]

    async def _sent(self, call: Callable[[], Awaitable[_Done]], may_repeat: Callable[[Exception], bool]) -> _Done:
        try:
            return await send(call, may_repeat)
        except FAULTS as error:
            raise ServiceUnavailable("The table is out of reach.", retry_after_s=5) from error

    async def _update(self, one: ItemUpdate) -> Outcome:
        await self._on_its_way(self._model.write_s)
        self._take(one.pk, (one,), 1, _CONFLICT, _THROTTLED)
        outcome = self._tried(one)
        self._write(one, outcome)
        await self._on_its_way(self._model.write_s)
        self._lose_some()
        return outcome

    async def _transaction(self, both: tuple[ItemUpdate, ItemUpdate]) -> Refusals:
        await self._on_its_way(self._model.transaction_s)
        for one in both:
            self._take(one.pk, both, 2, _cancelled("TransactionConflict"), _cancelled("ThrottlingError"))
        outcomes = [self._tried(one) for one in both]
        if all(isinstance(outcome, Applied) for outcome in outcomes):
            for one, outcome in zip(both, outcomes, strict=True):
                self._write(one, outcome)
                self._held_until_s[one.pk, one.sk] = self._loop.time() + self._model.held_s()
        await self._on_its_way(self._model.transaction_s)
        self._lose_some()
        one, other = (outcome if isinstance(outcome, Refused) else None for outcome in outcomes)
        return one, other

    async def _query(self, pk: str) -> Mapping[str, str]:
        await self._on_its_way(self._model.write_s)
        found = self.documents.get(pk, {})
        heat, units = self.read_heat[pk], half_read_units(sum(map(len, found.values())))
        if not self._reads[pk].take(units, self._loop.time()):
            heat.throttled += 1
            raise _THROTTLED
        self._count(heat, units)
        await self._on_its_way(self._model.write_s)
        return found

    def _take(
        self, pk: str, touched: Sequence[ItemUpdate], units: int, conflict: ClientError, throttled: ClientError
    ) -> None:
        now_s, heat = self._loop.time(), self.write_heat[pk]
        if any(self._held_until_s.get((one.pk, one.sk), 0.0) > now_s for one in touched):
            heat.conflicts += 1
            raise conflict
        if not self._writes[pk].take(units, now_s):
            heat.throttled += 1
            raise throttled
        self._count(heat, units)

    def _tried(self, one: ItemUpdate) -> Outcome:
        before = self.items.get((one.pk, one.sk))
        after = self._model.evaluate(one.update, before)
        return Refused(before, self._clock.now_s()) if after is None else Applied(after)

    def _write(self, one: ItemUpdate, outcome: Outcome) -> None:
        if isinstance(outcome, Applied):
            self.items[one.pk, one.sk] = outcome.item

    def _count(self, heat: Heat, units: int) -> None:
        heat.units += units
        heat.by_second[int(self._loop.time())] += units

    async def _on_its_way(self, whole_s: float) -> None:
        await asyncio.sleep(whole_s / 2 * self._chance.lognormvariate(0, 0.4))

    def _lose_some(self) -> None:
        if self._model.lost_replies and self._chance.random() < self._model.lost_replies:
            raise _NOBODY_KNOWS
