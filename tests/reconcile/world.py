"""What is reconciled in tests? Processes that count what they serve, die and lose replies, their log and table."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.core.request import Observation
from embedge.core.usage import Counts, UsageRow, counts_of, read_row, row_of
from embedge.core.usage_groups import total
from embedge.core.usage_record import UsageRecord
from embedge.reconcile import Audit, Found, Sources, reconcile
from tests.fakes import FakeClock, FakeLeaseItems, FakeLedgerTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from embedge.core.conditional_update import ConditionalUpdate, Item, Outcome

DAY_S = 86_400
MIDNIGHT_S = 1_800_057_600.0  # 2027-01-16


class Told:
    """The Notices port: remembers."""

    def __init__(self) -> None:
        self.measured: list[tuple[dict[str, str], dict[str, float]]] = []
        self.lines: list[tuple[str, dict[str, Any], dict[str, float]]] = []

    def tell(self, what: str, fields: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        self.lines.append((what, dict(fields), dict(numbers)))

    def measure(self, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        self.measured.append((dict(of), dict(numbers)))

    def of(self, what: str) -> list[dict[str, Any]]:
        return [fields for name, fields, _ in self.lines if name == what]


class FakeRecords:
    """The UsageRecords port: `log` in the order of its lines."""

    def __init__(self) -> None:
        self.log: list[UsageRecord] = []

    async def read(self, start_ms: int, end_ms: int) -> AsyncIterator[UsageRecord]:
        for record in list(self.log):
            if start_ms <= record.at_ms < end_ms:
                yield record


class SharedTable(FakeLedgerTable):
    """The same, where others have their turn before each call."""

    @override
    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        await asyncio.sleep(0)
        return await super().apply(pk, sk, update)

    @override
    async def query(self, pk: str) -> Mapping[str, Item]:
        await asyncio.sleep(0)
        return await super().query(pk)


@dataclass
class World:
    """A deployment of several processes."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(MIDNIGHT_S - DAY_S / 2))
    records: FakeRecords = field(default_factory=FakeRecords)
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.table = SharedTable(self.clock)
        self.processes: dict[int, LedgerUsage] = {}
        self.faults: list[str] = []
        sources = Sources(self.records, self.table, self.table, self.table, FakeLeaseItems(self.table))
        self.audit = Audit(sources, self.told, self.clock)

    def process(self, number: int = 0) -> LedgerUsage:
        """Return a process, a new one where there is none of this number."""
        if number not in self.processes:
            self.processes[number] = LedgerUsage(self.table, self.clock, Pace(5, 1), self.faults.append)
        return self.processes[number]

    def kill(self, number: int = 0) -> None:
        """Let a process die with what it had not written."""
        self.processes.pop(number, None)

    async def serve(self, number: int = 0, **changes: Any) -> None:
        """Serve a request, in a process, and log it."""
        usual: dict[str, Any] = {"tenant": "acme", "model": "small", "inputs": 2, "cost_nano_usd": 160}
        seen = Observation(**{**usual, **changes})
        await self.process(number).add(seen)
        row = row_of(seen, seen.usage_day)
        self.records.log.append(UsageRecord(row, counts_of(seen), "", int(self.clock.now_s() * 1000), seen.watched))

    async def reconcile(self, budget_s: float = 1e9) -> Found:
        """Run once."""
        return await reconcile(self.audit, self.clock.now_s() + budget_s)

    def rows(self, tenant: str = "acme") -> list[UsageRow]:
        """Return the rows of a tenant."""
        found = [(pk, sk) for pk, sk in self.table.items if pk == f"USAGE#{tenant}" and sk.count("#") == 3]
        read = [read_row(pk, sk, self.table.items[pk, sk]) for pk, sk in found]
        return [row for row in read if row is not None]

    def written(self, model: str | None = None) -> Counts:
        """Return what the rows come to."""
        return total(row.counts for row in self.rows() if model in {None, row.name.model})

    def logged(self, model: str | None = None) -> Counts:
        """Return what the log comes to."""
        return total(one.counts for one in self.records.log if model in {None, one.row.model})
