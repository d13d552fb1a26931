"""Does the ledger keep to every budget and charge exactly what was billed, whatever is lost, late, cancelled or dead?

A machine over the real code: processes with purses and leases, who reconciles, and a store whose every request and
reply waits until the machine says what becomes of it. It can bring known bugs back (`breaking`), and must find them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from embedge.adapters.ledger_purse import PurseHold, PurseLedger
from embedge.core.balance import Claim
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import ConditionalUpdate, Item, ItemUpdate, Outcome, Refusals
from embedge.core.lease import OPEN, LeaseTerms
from embedge.core.request import Limits, Principal
from embedge.errors import BudgetSpent, ServiceUnavailable, TokenRateLimited
from embedge.lease_closing import close_dead_leases
from tests.adapters.breaking import Bug, broken, returned
from tests.adapters.slowly import turns
from tests.fakes import FakeClock, FakeLeaseItems, FakeLedgerTable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from embedge.ports import Attempt, Clock

DAY_S = 86_400
START_S = 1_800_000_000.0  # 2027-01-15, 08:00 UTC
TENANTS = ("acme", "other")
Label: TypeAlias = tuple[str, str, int]  # whose, of which kind of period, and which of those
_NAMES = {"d": ("dl", "da"), "m": ("ml", "ma"), "t": ("tl", "ta")}
_JOB: ContextVar[Job | None] = ContextVar("_JOB", default=None)


class SkewedClock:
    """The Clock port, by so many seconds ahead of another."""

    def __init__(self, clock: Clock, ahead_s: float) -> None:
        self.clock = clock
        self.ahead_s = ahead_s

    def now_s(self) -> float:
        return self.clock.now_s() + self.ahead_s


def period_at(now_s: float) -> Period:
    today = datetime.fromtimestamp(now_s, UTC)
    return Period(today.year * 12 + today.month, today.toordinal())


def labels(tenant: str, period: Period) -> Iterator[Label]:
    yield from ((tenant, "d", period.day), (tenant, "m", period.month), (tenant, "t", 0))


@dataclass(eq=False)
class Request:
    """One update or two on their way: nobody has carried them out; then somebody has; then the answer is there."""

    items: tuple[ItemUpdate, ...]
    answer: asyncio.Future[Any]
    job: Job | None
    outcome: Any = None


class Line:
    """The LedgerTable port of one process: what it sends waits for the machine. A dead process sends nothing."""

    def __init__(self, under_way: list[Request]) -> None:
        self.under_way = under_way
        self.dead = False

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        return await self._send(ItemUpdate(pk, sk, update))

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        return await self._send(first, second)

    async def _send(self, *items: ItemUpdate) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self.dead:
            self.under_way.append(Request(items, answer, _JOB.get()))
        return await answer


@dataclass(eq=False)
class Called:
    """One call to a provider: what it may cost at most, what it counts for, and what is told of its end."""

    bound: int
    cost: int
    payment: Attempt
    ended: bool = False

    def set_aside(self) -> int:
        return self.cost if self.ended else self.bound


@dataclass(eq=False)
class Held:
    """A hold, and the calls that it pays."""

    process: Process
    tenant: str
    hold: PurseHold
    calls: list[Called] = field(default_factory=list[Called])
    starting: int = 0

    def taken(self) -> int:
        return sum(part.nano_usd for part in self.hold._parts)

    def bill(self) -> list[tuple[Period, int]]:
        """Return what was billed in each period: oldest money first, and what nothing was taken for at the end."""
        left, billed = sum(call.cost for call in self.calls), list[tuple[Period, int]]()
        for part in self.hold._parts:
            paid = min(left, part.nano_usd)
            billed.append((part.period, paid))
            left -= paid
        return [*billed, (self.hold._parts[-1].period, left)] if self.hold._parts else []


@dataclass(eq=False)
class Process:
    """One user of the ledger."""

    clock: SkewedClock
    line: Line
    ledger: PurseLedger
    limits: Limits
    holds: list[Held] = field(default_factory=list[Held])


@dataclass(eq=False)
class Job:
    """Something that a process is doing."""

    process: Process
    kind: Literal["take", "attempt", "settle", "close", "reconcile"]
    details: Any
    task: asyncio.Task[Any] = field(init=False)
    lost: int = 0
    cancelled: bool = False


# Coarse, so that a lease is taken, used up and closed within few steps.
_LEASES = LeaseTerms(
    busy_requests=0,
    chunk_requests=6,
    fewest_requests=1,
    authorised_part=4,
    most_leased=3,
    least_left=50,
    most_lost=2,
)
_WHO = st.integers(0, 2)
_WHICH = st.integers(0, 7)
_AMOUNTS = st.integers(0, 40)
_LIMITS = st.sampled_from([1000, 300, 100]) | st.integers(0, 300)
_SKEWS = st.sampled_from([0, 0, 0, -1.5, 1.5, -DAY_S, DAY_S, -31 * DAY_S, 31 * DAY_S])
Fate: TypeAlias = Literal["under way", "answered", "carried out", "request lost", "reply lost"]
_FATES: st.SearchStrategy[Fate] = st.sampled_from(
    ["answered", "answered", "under way", "under way", "carried out", "request lost", "reply lost"]
)
_TENANTS = st.sampled_from([TENANTS[0], TENANTS[0], TENANTS[1]])


class LedgerMachine(RuleBasedStateMachine):
    """Three processes, who reconciles, and two tenants. What was billed is counted beside the ledger, and compared."""

    bug: Bug | None = None

    @initialize(
        skews=st.tuples(_SKEWS, _SKEWS, _SKEWS),
        limits=st.tuples(_LIMITS, _LIMITS, _LIMITS),
        lossy=st.booleans(),
        terms=st.sampled_from([_LEASES, _LEASES, LeaseTerms()]),
    )
    def begin(self, skews: tuple[float, ...], limits: tuple[int, int, int], lossy: bool, terms: LeaseTerms) -> None:  # noqa: FBT001 (drawn)
        self.lossy, self.lease_terms = lossy, terms
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(START_S)
        self.table = FakeLedgerTable(self.clock)
        self.limits = Limits(1, 100, *limits)
        self.under_way: list[Request] = []
        self.jobs: list[Job] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.stays: Counter[Label] = Counter()  # what is billed, or was in the hands of who died
        self.overrun: Counter[Label] = Counter()
        self.highest: Counter[Label] = Counter()
        self.clean = True
        self.processes = [self._process(skew) for skew in skews]
        self.reconciler = self._process(0)

    # What processes do.

    @rule(who=_WHO, tenant=_TENANTS, nano_usd=_AMOUNTS, tokens=st.integers(0, 40), fate=_FATES)
    def take(self, who: int, tenant: str, nano_usd: int, tokens: int, fate: Fate) -> None:
        process, claim = self.processes[who], Claim(nano_usd, tokens or not nano_usd)
        principal = Principal(tenant, frozenset(), (), process.limits)
        today = period_at(process.clock.now_s())
        self._start(Job(process, "take", (tenant, claim, today)), process.ledger.take(principal, claim), fate)

    @precondition(lambda self: bool(self._holds()))
    @rule(which=_WHICH, bound=_AMOUNTS, bills=st.sampled_from([0, 1]), fate=_FATES)
    def attempt(self, which: int, bound: int, bills: int, fate: Fate) -> None:
        """Call a provider, who bills undelivered answers or does not."""
        held = _one(self._holds(), which)
        held.starting += 1
        job = Job(held.process, "attempt", (held, bound, bound * bills))
        self._start(job, held.hold.attempt(bound, job.details[2]), fate)

    @precondition(lambda self: bool(self._calls()))
    @rule(which=_WHICH, how=st.sampled_from(["billed", "billed", "over", "unbilled", "unknown"]), part=_WHICH)
    def end_a_call(self, which: int, how: str, part: int) -> None:
        called = _one(self._calls(), which)
        called.ended = True
        if how == "unbilled":
            called.payment.unbilled()
            called.cost = 0
        elif how == "unknown":
            called.payment.unknown()
        else:
            called.cost = called.bound * part // 7 + (15 if how == "over" else 0)
            called.payment.billed(called.cost)

    @rule(who=_WHO, nano_usd=_AMOUNTS)
    def serve(self, who: int, nano_usd: int) -> None:
        """Do all of a request at once, which is billed for what it may cost."""
        holds = self.processes[who].holds
        before = len(holds)
        self.take(who, TENANTS[0], nano_usd, 1, "answered")
        if len(holds) > before:
            self._pay(holds[-1], nano_usd)

    def _pay(self, held: Held, nano_usd: int) -> None:
        held.starting += 1
        job = Job(held.process, "attempt", (held, nano_usd, nano_usd))
        self._start(job, held.hold.attempt(nano_usd, nano_usd), "answered")
        if held.calls:
            held.calls[0].ended = True
            held.calls[0].payment.billed(nano_usd)
            self._settle(held, "answered")

    @precondition(lambda self: any(not held.starting for held in self._holds()))
    @rule(which=_WHICH, fate=_FATES)
    def settle(self, which: int, fate: Fate) -> None:
        self._settle(_one([held for held in self._holds() if not held.starting], which), fate)

    @precondition(lambda self: bool(self.jobs))
    @rule(which=_WHICH)
    def cancel(self, which: int) -> None:
        job = _one(self.jobs, which)
        job.cancelled = True
        job.task.cancel()
        self.clean &= job.kind == "settle" and job.details[1] <= 0
        self._run()

    @rule(who=_WHO, fate=_FATES)
    def close(self, who: int, fate: Fate) -> None:
        """Give back what is in the purses; the process may go on."""
        process = self.processes[who]
        self._start(Job(process, "close", None), process.ledger.close(), fate)

    @precondition(lambda self: self.lossy)
    @rule(who=_WHO)
    def kill(self, who: int) -> None:
        """What it held stays charged; what it had sent may still arrive."""
        process = self.processes[who]
        for tenant, period, amount in self._in_hands(process):
            self._count(self.stays, tenant, period, amount)
        process.line.dead = True
        self.jobs = [job for job in self.jobs if job.process is not process]
        self.processes[who] = self._process(process.clock.ahead_s)
        self.clean = False

    # What becomes of it.

    @precondition(lambda self: bool(self.under_way))
    @rule(which=_WHICH, fate=_FATES)
    def deliver(self, which: int, fate: Fate) -> None:
        if fate != "under way":
            self._deliver(_one(self.under_way, which), fate)

    @precondition(lambda self: bool(self.under_way))
    @rule()
    def deliver_all(self) -> None:
        while self.under_way:
            self._deliver(self.under_way[0], "answered")

    @rule(seconds=st.sampled_from([0.5, 1.4, 3, 20, 61, 600, 15 * 3600, 16 * 3600, DAY_S, 17 * DAY_S, 31 * DAY_S]))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    @rule()
    def pass_time_to_midnight(self) -> None:
        self.clock.pass_time(DAY_S - self.clock.now_s() % DAY_S)

    @rule(which=st.sampled_from(["day_nano_usd", "month_nano_usd", "total_nano_usd"]), new=_LIMITS, own=st.booleans())
    def set_a_limit(self, which: str, new: int, own: bool) -> None:  # noqa: FBT001 (drawn)
        """In the tenants' own documents, whose version rises; or in the deployment's defaults, which have none."""
        version = self.limits.version + (1 if own or self.limits.version else 0)
        self.limits = replace(self.limits, version=version, **{which: new})

    @rule(who=_WHO)
    def hear_of_the_limits(self, who: int) -> None:
        self.processes[who].limits = self.limits

    @precondition(lambda self: self._leases())
    @rule(fate=_FATES)
    def reconcile(self, fate: Fate) -> None:
        """Close all leases, whoever lives: it must not matter when this is done."""
        line, items = self.reconciler.line, FakeLeaseItems(self.table)
        self._start(Job(self.reconciler, "reconcile", None), close_dead_leases(line, items, float("inf")), fate)

    # What must hold.

    @invariant()
    def whatever_is_billed_or_in_hands_is_charged(self) -> None:
        owed = Counter(self.stays)
        for process in self.processes:
            for tenant, period, amount in self._in_hands(process):
                self._count(owed, tenant, period, amount)
        for label, charged in self._charged().items():
            assert charged >= owed[label]

    @invariant()
    def no_more_is_charged_than_the_highest_limit_but_for_overruns(self) -> None:
        for label, charged in self._charged().items():
            assert charged - self.overrun[label] <= self.highest[label]

    @invariant()
    def what_is_leased_out_is_in_open_leases_and_each_was_closed_once(self) -> None:
        for tenant in TENANTS:
            if (item := self.table.items.get((tenant, "B"))) is not None:
                assert item["x"] == sum(lease["C"] for lease in self._leases(tenant))

    @invariant()
    def no_clock_opens_a_period_early(self) -> None:
        for item in self.table.items.values():
            assert Period(item["mi"], item["di"]) <= period_at(self.clock.now_s() + 2)

    @invariant()
    def a_hold_covers_whatever_its_calls_may_cost(self) -> None:
        for held in self._holds():
            if all(call.cost <= call.bound for call in held.calls):
                assert sum(call.set_aside() for call in held.calls) <= held.taken()

    @override
    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self._end()
        finally:
            tasks = asyncio.all_tasks(self.loop) | self.tasks
            for task in tasks:
                task.cancel()
            self._await(_gather(tasks))
            self.loop.close()

    def _end(self) -> None:
        if any(job.kind in {"take", "attempt"} for job in self.jobs):
            self.deliver_all()
        for held in self._holds():
            self._settle(held, fate="under way")
        for process in self.processes:
            self._start(Job(process, "close", None), process.ledger.close(), fate="under way")
        self.deliver_all()
        self.reconcile("under way")
        self.deliver_all()
        self.what_is_leased_out_is_in_open_leases_and_each_was_closed_once()
        assert not any(list(self._in_hands(process)) for process in self.processes)
        self.whatever_is_billed_or_in_hands_is_charged()
        for label, charged in self._charged().items():
            assert not self.clean or charged == self.stays[label]

    # How it goes on.

    def _process(self, ahead_s: float) -> Process:
        clock, line = SkewedClock(self.clock, ahead_s), Line(self.under_way)
        return Process(clock, line, PurseLedger(line, clock, self.lease_terms), self.limits)

    def _leases(self, tenant: str = "") -> list[Item]:
        """Return the open leases."""
        items = self.table.items.items()
        return [item for (pk, _), item in items if pk.startswith(f"L#{tenant}") and item["s"] == OPEN]

    def _holds(self) -> list[Held]:
        return [held for process in self.processes for held in process.holds]

    def _calls(self) -> list[Called]:
        return [called for held in self._holds() for called in held.calls if not called.ended]

    def _settle(self, held: Held, fate: Fate) -> None:
        held.process.holds.remove(held)
        excess = max(0, sum(call.cost for call in held.calls) - held.taken())
        *within, (last, _) = held.bill()
        for period, amount in within:
            self._count(self.stays, held.tenant, period, amount)
        job = Job(held.process, "settle", (held.tenant, excess, last))
        self._count(self.overrun, held.tenant, last, 5 * excess)  # it may be charged again where a reply is lost
        self._start(job, held.hold.settle(), fate)

    def _start(self, job: Job, work: Coroutine[Any, Any, Any], fate: Fate) -> None:
        async def run() -> Any:
            _JOB.set(job)
            return await work

        job.task = self.loop.create_task(run())
        self.jobs.append(job)
        self.tasks.add(job.task)
        self._run()
        while fate != "under way" and (request := next((r for r in self.under_way if r.job is job), None)):
            self._deliver(request, fate)
            fate = "under way" if fate == "carried out" else "answered"

    def _deliver(self, request: Request, fate: Fate) -> None:
        fate = self._possible(request, fate)
        if request.outcome is None and fate != "request lost":
            request.outcome = self._carried_out(request.items, fate, request.job)
            self._note(request.items[0].pk)
        if fate == "carried out":
            return
        self.under_way.remove(request)
        if not request.answer.done():
            self._answer(request, fate)
            self._run()

    def _carried_out(self, items: tuple[ItemUpdate, ...], fate: Fate, job: Job | None) -> Any:
        items = broken(self.bug, items, by_reconcile=job is not None and job.kind == "reconcile")
        again = self.bug == "returns are sent again when their reply is lost" and returned(items[0].update) > 0
        if again and fate == "reply lost":
            self._carry_out(items)
        return self._carry_out(items)

    def _carry_out(self, items: tuple[ItemUpdate, ...]) -> Any:
        if len(items) == 1:
            return self._await(self.table.apply(items[0].pk, items[0].sk, items[0].update))
        return self._await(self.table.transact(*items))

    def _possible(self, request: Request, fate: Fate) -> Fate:
        if request.answer.cancelled() and request.outcome is None:
            return "request lost"  # who was cancelled had not even sent it
        return fate if self.lossy or fate == "carried out" else "answered"

    def _answer(self, request: Request, fate: Fate) -> None:
        if fate == "answered":
            assert request.outcome is not None
            request.answer.set_result(request.outcome)
            return
        request.answer.set_exception(ServiceUnavailable("lost"))
        self.clean = False
        if request.job is not None:
            request.job.lost += 1

    def _run(self) -> None:
        self._await(turns(12))
        for job in [job for job in self.jobs if job.task.done()]:
            self.jobs.remove(job)
            self._finish(job)

    def _finish(self, job: Job) -> None:
        if job.kind == "attempt":
            job.details[0].starting -= 1
        if job.task.cancelled():
            assert job.cancelled
            return
        try:
            result = job.task.result()
        except (BudgetSpent, TokenRateLimited, ServiceUnavailable):
            assert job.kind in {"take", "attempt"}
            return
        if job.kind == "take":
            tenant, claim, today = job.details
            held = Held(job.process, tenant, result)
            assert held.taken() == claim.nano_usd
            assert all(part.period >= today for part in result._parts if part.nano_usd)
            job.process.holds.append(held)
        elif job.kind == "attempt":
            held, bound, worst = job.details
            held.calls.append(Called(bound, worst, result))
        elif job.kind == "settle" and job.lost < 5:
            tenant, excess, last = job.details
            self._count(self.stays, tenant, last, excess)

    def _in_hands(self, process: Process) -> Iterator[tuple[str, Period, int]]:
        for tenant, lease in process.ledger._leases._leases.items():
            yield tenant, lease.leased.period, lease.authorised - lease.spent
        for tenant, purse in process.ledger._purses.items():
            if purse.nano_usd:
                yield tenant, purse.period, purse.nano_usd
        for held in process.holds:
            for part in held.hold._parts:
                yield held.tenant, part.period, part.nano_usd

    def _charged(self) -> dict[Label, int]:
        charged: dict[Label, int] = {}
        for tenant in TENANTS:
            if (item := self.table.items.get((tenant, "B"))) is None:
                continue
            for label in labels(tenant, Period(item["mi"], item["di"])):
                limit, available = _NAMES[label[1]]
                charged[label] = item[limit] - item[available]
        return charged

    def _note(self, tenant: str) -> None:
        item: Item | None = self.table.items.get((tenant, "B"))
        if item is not None:
            for label in labels(tenant, Period(item["mi"], item["di"])):
                self.highest[label] = max(self.highest[label], item[_NAMES[label[1]][0]])

    @staticmethod
    def _count(counter: Counter[Label], tenant: str, period: Period, amount: int) -> None:
        for label in labels(tenant, period):
            counter[label] += amount

    def _await(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)


def _one(choices: list[Any], which: int) -> Any:
    return choices[which % len(choices)] if choices else None


async def _gather(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
