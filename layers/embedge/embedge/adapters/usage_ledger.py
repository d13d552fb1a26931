"""How is usage written down without a write for each request? It is added up here, and written every few seconds.

The law: what is written is never counted twice. A write of unknown outcome counts as done, and what has waited longer
than `_OLDEST_S` is dropped, since others may have made up for it from the log by then. Both are counted: each request's
log line is the record, these rows are its summary.

On Lambda nothing runs after an answer. So what is due is written before it, within a bound, by the request that finds
it so: the first of a process that was quiet, and then one every few seconds. Thousands of processes of one tenant write
to one row, and a key takes a thousand writes a second: so who could not write in time comes half as often, down to
once a minute, until that goes well again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from embedge.core.conditional_update import AbsentOr, Applied, Assign, AttributeOr, Compare, ConditionalUpdate
from embedge.core.request import Observation
from embedge.core.usage import MOST_ROWS, Counts, RowName, counts_of, row_of
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, LedgerTable

_OLDEST_S = 600
_LONGEST_PAUSE_S = 60
_MOST_WAITING = 1_000
_DAY_S = 86_400
_KEPT_S = 400 * _DAY_S
_MOST_REMEMBERED = 10_000
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a process writes while that goes well, and how long a request waits for it at most."""

    every_s: float
    longest_s: float


class _Waiting(NamedTuple):
    """What has been added up for a row, and since when."""

    counts: Counts
    since_s: float


class LedgerUsage:
    """The Usage port over the ledger's table."""

    def __init__(self, table: LedgerTable, clock: Clock, pace: Pace, on_fault: Callable[[str], None]) -> None:
        """Take where rows are, the time, how often to write, and whom to tell of usage that is lost."""
        self._table = table
        self._clock = clock
        self._pace = pace
        self._on_fault = on_fault
        self._waiting: dict[RowName, _Waiting] = {}
        self._written_s = float("-inf")
        self._pause_s = pace.every_s
        self._in_time = True
        self._rows: OrderedDict[RowName, RowName] = OrderedDict()  # those known to exist, and where each is written

    async def add(self, observation: Observation) -> None:
        """Count a request, and write what is due; a fault is nobody's error."""
        if not observation.tenant:
            return
        now_s = self._clock.now_s()
        observation.usage_day = day = _day(int(now_s // _DAY_S))
        self._wait(row_of(observation, day), _Waiting(counts_of(observation), now_s))
        if now_s - self._written_s < self._pause_s:
            return
        if not self._pace.every_s:
            await asyncio.sleep(0)  # those that end in this turn of the loop are written together, by the first of them
        if self._waiting:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, as far as that is done in time."""
        now_s = self._written_s = self._clock.now_s()
        waiting, self._waiting = self._waiting, {}
        due = {row: one for row, one in waiting.items() if now_s - one.since_s <= _OLDEST_S}
        for _ in range(len(waiting) - len(due)):
            self._on_fault("usage_dropped")
        left = iter(tuple(due.items()))
        self._in_time = True
        try:
            async with asyncio.timeout(self._pace.longest_s):
                await self._write_all(left, len(due))
        except TimeoutError:
            pass  # each writer has told of what it could not finish
        finally:
            for row, one in left:  # nobody has begun with these
                self._wait(row, one)
            slower_s, faster_s = min(2 * self._pause_s, _LONGEST_PAUSE_S), self._pause_s / 2
            self._pause_s = max(self._pace.every_s, faster_s) if self._in_time else slower_s

    async def _write_all(self, left: Iterator[tuple[RowName, _Waiting]], count: int) -> None:
        if count <= 1:  # as nearly always: a task would take longer to begin than SQLite to write
            await self._write_from(left)
            return
        async with asyncio.TaskGroup() as writers:
            for _ in range(min(_AT_ONCE, count)):
                writers.create_task(self._write_from(left))

    def _wait(self, row: RowName, more: _Waiting) -> None:
        one = self._waiting.get(row)
        if one is None and len(self._waiting) >= _MOST_WAITING:
            row = row.other()
            one = self._waiting.get(row)
        self._waiting[row] = more if one is None else _Waiting(one.counts.plus(more.counts), one.since_s)

    async def _write_from(self, left: Iterator[tuple[RowName, _Waiting]]) -> None:
        for row, one in left:
            try:
                await self._write(row, one.counts)
            except (ServiceUnavailable, asyncio.CancelledError) as error:
                self._on_fault("usage_unknown")
                self._in_time = False
                if isinstance(error, asyncio.CancelledError):
                    raise

    async def _write(self, row: RowName, counts: Counts) -> None:
        """Add to a row, or where the tenant has too many today, to that of all others.

        Whoever makes a row counts it first: two at once count it twice, so there may be fewer than allowed, never more.
        """
        there = self._rows.get(row)
        if there is None:
            if await self._add(row, counts, Compare("ttl", ">", 0)):
                self._remember(row, row)
                return
            there = row if await self._is_room(row) else row.other()
            self._remember(row, there)
        await self._add(there, counts)

    async def _is_room(self, row: RowName) -> bool:
        one_more = Assign("rows", AttributeOr("rows", 0), 1)
        room = AbsentOr(Compare("rows", "<", MOST_ROWS))
        update = ConditionalUpdate((one_more, Assign("ttl", _expires_s(row))), (room,))
        return isinstance(await self._table.apply(row.partition(), row.day, update), Applied)

    async def _add(self, row: RowName, counts: Counts, *conditions: Compare) -> bool:
        steps = (*counts.added(), Assign("ttl", _expires_s(row)))
        outcome = await self._table.apply(row.partition(), row.sort_key(), ConditionalUpdate(steps, conditions))
        return isinstance(outcome, Applied)

    def _remember(self, row: RowName, there: RowName) -> None:
        self._rows[row] = there
        if len(self._rows) > _MOST_REMEMBERED:
            self._rows.popitem(last=False)


@lru_cache(maxsize=2)
def _day(number: int) -> str:
    """Return a day as ISO 8601 has it, given how many have passed since the epoch."""
    return datetime.fromtimestamp(number * _DAY_S, UTC).date().isoformat()


def _expires_s(row: RowName) -> int:
    return int(datetime.combine(date.fromisoformat(row.day), datetime.min.time(), UTC).timestamp()) + _KEPT_S
