"""Who hammers in `benchmarks.overspend`? Processes with the router's real application, which may end at any moment.

What each has done stands in memory that all share, so that it is known also of those that were killed.
"""

import asyncio
import ctypes
import io
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from multiprocessing import RawArray
from pathlib import Path
from typing import Literal, Protocol, cast

from benchmarks.in_process import Router
from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.lease_items_dynamodb import DynamoDbLeaseItems
from embedge.adapters.lease_items_sqlite import SqliteLeaseItems
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.sqlite_state import SqliteState
from embedge.api.app import create_app
from embedge.bootstrap.serving import serve
from embedge.core.balance import Claim
from embedge.core.conditional_update import ConditionalUpdate, ItemUpdate, Outcome, Refusals
from embedge.core.request import Admission, Limits, Principal, ServiceTier
from embedge.errors import ServiceUnavailable
from embedge.ports import Hold, LeaseItems, LedgerTable
from embedge.settings import Settings, Tables

COUNTS = ("paid", "refused", "failed", "ledger_writes", "writes_of_paid", "rate_writes", "lost_nano_usd")
ADMITTED_WIDTH = 40_001


class Shared(Protocol):
    """A row of shared memory: of `COUNTS`, or of admissions: their number, and the time and the units of each."""

    def __getitem__(self, index: int) -> float: ...
    def __setitem__(self, index: int, value: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is to do, where it notes what it did, and which parts of the ledger's replies it loses."""

    state: Tables | Path
    token: str
    limits: Limits
    seconds: float
    losing: float
    texts: tuple[int, int]
    counts: Shared
    admitted: Shared
    seed: int
    noting: Literal["requests", "tokens"] = "requests"


def hammer(assigned: Assignment) -> None:
    """Ask until the money is gone, or the time is up; then end as a server does."""
    asyncio.run(_Process(assigned).run())


@asynccontextmanager
async def ledger_table(state: Tables | Path) -> AsyncGenerator[tuple[LedgerTable, LeaseItems]]:
    """Return the real table of a state, and its leases."""
    if isinstance(state, Tables):
        aws = AwsClients()
        yield DynamoDbLedgerTable(aws, state.ledger), DynamoDbLeaseItems(aws, state.ledger)
        await aws.close()
    else:
        database = SqliteState(state / "embedge.db")
        yield SqliteLedgerTable(database, SystemClock()), SqliteLeaseItems(database)
        database.close()


class _Process:
    def __init__(self, assigned: Assignment) -> None:
        self._assigned = assigned
        self._random = random.Random(assigned.seed)  # noqa: S311 (no secret)

    async def run(self) -> None:
        """Ask one request after the other, each with a text that nobody asked before."""
        async with ledger_table(self._assigned.state) as (real, _):
            await self._run(_Lossy(real, self._assigned, self._random))

    async def _run(self, table: LedgerTable) -> None:
        assigned, clock = self._assigned, SystemClock()
        settings = Settings(state=assigned.state, limits=assigned.limits, requests_per_second_per_address=0)
        serving = serve(settings, io.StringIO())
        ledger, rates = PurseLedger(table, clock), GcraRates(table, clock)
        of_requests = assigned.noting == "requests"
        services = replace(
            serving.services,
            ledger=ledger if of_requests else _NotedLedger(ledger, assigned.admitted),
            rates=_NotedRates(rates, assigned.admitted) if of_requests else rates,
        )
        router = Router(create_app(replace(serving, services=services)), assigned.token)
        end_s = asyncio.get_running_loop().time() + assigned.seconds
        refused = 0
        while refused < 20 and asyncio.get_running_loop().time() < end_s:
            status = await self._ask(router)
            refused = refused + 1 if status == 429 else 0
            if status != 200:
                await asyncio.sleep(self._random.uniform(0.02, 0.2))
        await ledger.close()
        await serving.close()

    async def _ask(self, router: Router) -> int:
        counts = self._assigned.counts
        length = self._random.randint(*self._assigned.texts)
        text = f"{self._random.getrandbits(64):016x}".ljust(length, "x")[:length]
        before = counts[COUNTS.index("ledger_writes")]
        answer = await router.ask(json.dumps({"model": "bench", "input": text, "encoding_format": "base64"}).encode())
        paid = answer.status == 200
        _count(counts, "paid" if paid else "refused" if answer.status == 429 else "failed")
        if paid:
            _count(counts, "writes_of_paid", counts[COUNTS.index("ledger_writes")] - before)
        return answer.status


class _NotedRates:
    """The Rates port on another, noting when each request was admitted."""

    def __init__(self, rates: GcraRates, admitted: Shared) -> None:
        self._rates = rates
        self._admitted = admitted

    async def admit(self, principal: Principal, asks: ServiceTier | None = None) -> Admission:
        now_s = SystemClock().now_s()
        admission = await self._rates.admit(principal, asks)
        _note(self._admitted, now_s, 1)
        return admission


class _NotedLedger:
    """The Ledger port on another, noting when how many tokens were taken."""

    def __init__(self, ledger: PurseLedger, admitted: Shared) -> None:
        self._ledger = ledger
        self._admitted = admitted

    async def take(self, principal: Principal, claim: Claim) -> Hold:
        now_s = SystemClock().now_s()
        hold = await self._ledger.take(principal, claim)
        _note(self._admitted, now_s, claim.tokens)
        return hold

    async def close(self) -> None:
        await self._ledger.close()


class _Lossy:
    """The LedgerTable port on another, of whose replies some are lost after what was asked has been done."""

    def __init__(self, table: LedgerTable, assigned: Assignment, chance: random.Random) -> None:
        self._table = table
        self._assigned = assigned
        self._chance = chance

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        kind = "rate_writes" if pk.startswith("RATE#") else "ledger_writes"
        if not pk.startswith("USAGE#"):
            _count(self._assigned.counts, kind)
        outcome = await self._table.apply(pk, sk, update)
        self._lose((ItemUpdate(pk, sk, update),), applied=type(outcome).__name__ == "Applied")
        return outcome

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        _count(self._assigned.counts, "ledger_writes", 2)
        refusals = await self._table.transact(first, second)
        self._lose((first, second), applied=refusals == (None, None))
        return refusals

    def _lose(self, items: Sequence[ItemUpdate], *, applied: bool) -> None:
        if self._chance.random() >= self._assigned.losing:
            return
        if applied and len(items) == 1:  # what a lost lease strands, `reconcile` gives back
            taken = sum(-(step.change or 0) for step in items[0].update.assignments if step.target == "ta")
            _count(self._assigned.counts, "lost_nano_usd", max(0, taken))
        raise ServiceUnavailable("The reply was lost.", retry_after_s=5)


def _note(admitted: Shared, now_s: float, units: int) -> None:
    number = int(admitted[0])
    if 2 * number + 2 < ADMITTED_WIDTH:
        admitted[2 * number + 1], admitted[2 * number + 2] = now_s, units
        admitted[0] = number + 1


def admissions(admitted: Shared) -> list[tuple[float, int]]:
    """Return the times at which units were admitted, and how many."""
    return [(admitted[2 * number + 1], int(admitted[2 * number + 2])) for number in range(int(admitted[0]))]


def _count(counts: Shared, what: str, more: float = 1) -> None:
    counts[COUNTS.index(what)] += more


def rows(processes: int, width: int) -> list[Shared]:
    """Return so many rows of shared numbers."""
    return [cast("Shared", RawArray(ctypes.c_double, width)) for _ in range(processes)]
