"""Does the purse keep to every budget and charge exactly what was billed, whatever is lost, late, cancelled or dead?"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from embedge.adapters.ledger_purse import PurseHold, PurseLedger
from embedge.core.balance import Claim
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import (
    Assign,
    Attribute,
    Compare,
    ConditionalUpdate,
    Item,
    ItemUpdate,
    Outcome,
    Refusals,
)
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.errors import BudgetSpent, ServiceUnavailable, TokenRateLimited
from tests.adapters.slowly import SlowLedgerTable, turns
from tests.fakes import FakeClock, FakeLedgerTable

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


# The machine.


@dataclass(eq=False)
class Request:
    """An update on its way: nobody has carried it out; then somebody has; then the answer is there."""

    key: tuple[str, str]
    update: ConditionalUpdate
    answer: asyncio.Future[Outcome]
    job: Job | None
    outcome: Outcome | None = None


class Line:
    """The LedgerTable port of one process: what it sends waits for the machine. A dead process sends nothing."""

    def __init__(self, under_way: list[Request]) -> None:
        self.under_way = under_way
        self.dead = False

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if not self.dead:
            self.under_way.append(Request((pk, sk), update, answer, _JOB.get()))
        return await answer

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        raise NotImplementedError


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
    holds: list[Held] = field(default_factory=list[Held])


@dataclass(eq=False)
class Job:
    """Something that a process is doing."""

    process: Process
    kind: Literal["take", "attempt", "settle", "close"]
    details: Any
    task: asyncio.Task[Any] = field(init=False)
    lost: int = 0
    cancelled: bool = False


EXAMPLES = 200
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


class Purses(RuleBasedStateMachine):
    """Three processes and two tenants. What providers billed is counted beside the ledger, by period, and compared."""

    @initialize(
        skews=st.tuples(_SKEWS, _SKEWS, _SKEWS), limits=st.tuples(_LIMITS, _LIMITS, _LIMITS), lossy=st.booleans()
    )
    def begin(self, skews: tuple[float, ...], limits: tuple[int, int, int], lossy: bool) -> None:  # noqa: FBT001 (drawn)
        self.lossy = lossy
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

    # What processes do.

    @rule(who=_WHO, tenant=_TENANTS, nano_usd=_AMOUNTS, tokens=st.integers(0, 40), fate=_FATES)
    def take(self, who: int, tenant: str, nano_usd: int, tokens: int, fate: Fate) -> None:
        process, claim = self.processes[who], Claim(nano_usd, tokens or not nano_usd)
        principal = Principal(tenant, frozenset(), (), self.limits)
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

    @rule(tenant=st.sampled_from(TENANTS), which=st.sampled_from("dmt"), new=_LIMITS)
    def set_a_limit(self, tenant: str, which: str, new: int) -> None:
        item = self.table.items.get((tenant, "B"))
        if item is not None:
            limit, available = _NAMES[which]
            change = Assign(available, Attribute(available), new - item[limit])
            same = (Compare(limit, "=", item[limit]),)
            self._await(self.table.apply(tenant, "B", ConditionalUpdate((Assign(limit, new), change), same)))
            self._note(tenant)

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
        assert not any(list(self._in_hands(process)) for process in self.processes)
        self.whatever_is_billed_or_in_hands_is_charged()
        for label, charged in self._charged().items():
            assert not self.clean or charged == self.stays[label]

    # How it goes on.

    def _process(self, ahead_s: float) -> Process:
        clock, line = SkewedClock(self.clock, ahead_s), Line(self.under_way)
        return Process(clock, line, PurseLedger(line, clock))

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
            request.outcome = self._await(self.table.apply(*request.key, request.update))
            self._note(request.key[0])
        if fate == "carried out":
            return
        self.under_way.remove(request)
        if not request.answer.done():
            self._answer(request, fate)
            self._run()

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
        for tenant, purse in process.ledger._purses.items():
            if purse.nano_usd:
                yield tenant, purse.period, purse.nano_usd
        for held in process.holds:
            for part in held.hold._parts:
                yield held.tenant, part.period, part.nano_usd

    def _charged(self) -> dict[Label, int]:
        charged: dict[Label, int] = {}
        for (tenant, _), item in self.table.items.items():
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


TestPurses = Purses.TestCase
TestPurses.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)


@pytest.mark.slow
class TestPursesForLong(Purses.TestCase):
    settings = settings(max_examples=10 * EXAMPLES, stateful_step_count=50, deadline=None)


# One thing at a time.

LIMITS = Limits(1, 10**9, 1000, 10_000, NO_LIMIT)
ACME = Principal("acme", frozenset(), (), LIMITS)


class Bank:
    """A table and its clock, and processes that use it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock = FakeClock(START_S)
        self.table = FakeLedgerTable(self.clock)
        self.acme = Principal("acme", frozenset(), (), limits)

    def process(self) -> PurseLedger:
        return PurseLedger(SlowLedgerTable(self.table), self.clock)

    def charged(self, which: str = "d", tenant: str = "acme") -> int:
        limit, available = _NAMES[which]
        item = self.table.items[tenant, "B"]
        return item[limit] - item[available]

    async def serve(self, ledger: PurseLedger, claimed: int, billed: int, who: Principal | None = None) -> None:
        """Do what one request does."""
        hold = await ledger.take(who or self.acme, Claim(claimed, 1))
        (await hold.attempt(claimed, claimed)).billed(billed)
        assert (await hold.settle()).billed_nano_usd == billed


@pytest.mark.parametrize(("claimed", "billed"), [(9, 9), (9, 3), (9, 0), (9, 8)])
async def test_equal_requests_are_one_write_each(claimed: int, billed: int) -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, claimed, billed)
    before = len(bank.table.sent)
    for _ in range(60):
        await bank.serve(ledger, claimed, billed)
    assert len(bank.table.sent) - before <= 60
    await ledger.close()
    assert bank.charged() == 61 * billed


async def test_takes_at_once_in_one_process_never_share_the_purses_money() -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 100, 0)
    holds = await asyncio.gather(*(ledger.take(bank.acme, Claim(60, 1)) for _ in range(8)))
    assert all(sum(part.nano_usd for part in hold._parts) == 60 for hold in holds)
    assert bank.charged() >= 8 * 60


async def test_attempts_at_once_never_share_a_holds_money() -> None:
    bank = Bank()
    ledger = bank.process()
    hold = await ledger.take(bank.acme, Claim(100, 1))
    attempts = await asyncio.gather(*(hold.attempt(bound, bound) for bound in (150, 100, 80)))
    assert bank.charged() == 330
    for attempt, bound in zip(attempts, (150, 100, 80), strict=True):
        attempt.billed(bound)
    assert (await hold.settle()).billed_nano_usd == 330
    await ledger.close()
    assert bank.charged() == 330


async def test_an_attempt_that_is_refused_leaves_the_hold_as_it_was() -> None:
    bank = Bank()
    ledger = bank.process()
    hold = await ledger.take(bank.acme, Claim(100, 1))
    with pytest.raises(BudgetSpent):
        await hold.attempt(1001, 1001)
    (await hold.attempt(100, 100)).billed(70)
    assert bank.charged() == 100
    assert (await hold.settle()).billed_nano_usd == 70
    await ledger.close()
    assert bank.charged() == 70


async def test_what_is_billed_beyond_a_hold_is_charged() -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 10, 1500)
    assert bank.charged() == bank.charged("m") == bank.charged("t") == 1500
    with pytest.raises(BudgetSpent):
        await ledger.take(bank.acme, Claim(1, 1))


async def test_an_overrun_is_charged_also_where_the_ledger_falters() -> None:
    bank = Bank()
    ledger = bank.process()
    hold = await ledger.take(bank.acme, Claim(10, 1))
    (await hold.attempt(10, 10)).billed(30)
    bank.table.lose_next.append("unapplied")
    await hold.settle()
    assert bank.charged() == 30


@pytest.mark.parametrize("lost", ["applied", "unapplied"])
async def test_a_return_whose_fate_is_unknown_is_made_once_and_a_take_is_had_never(
    lost: Literal["applied", "unapplied"],
) -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 100, 40)
    bank.table.lose_next.append(lost)
    await ledger.close()
    await ledger.close()
    assert bank.charged() == (40 if lost == "applied" else 100)
    bank.table.lose_next.append(lost)
    with pytest.raises(ServiceUnavailable):
        await ledger.take(bank.acme, Claim(50, 1))
    await ledger.close()
    assert bank.charged() == (90 if lost == "applied" else 100)


@pytest.mark.parametrize(("days", "month"), [(1, 40), (31, 0)])
async def test_a_hold_across_midnight_is_charged_to_its_own_day_and_given_back_to_it(days: int, month: int) -> None:
    bank = Bank()
    ledger, other = bank.process(), bank.process()
    hold = await ledger.take(bank.acme, Claim(100, 1))
    attempt = await hold.attempt(100, 100)
    bank.clock.pass_time(days * DAY_S)
    await bank.serve(other, 7, 7)
    attempt.billed(40)
    await hold.settle()
    assert bank.charged() == 7
    assert bank.charged("m") == 7 + month
    assert bank.charged("t") == 47
    await bank.serve(ledger, 100, 100)
    assert bank.charged() == 107


async def test_yesterdays_purse_does_not_pay_for_today_where_midnight_falls_into_a_take() -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 100, 20, Principal("other", frozenset(), (), LIMITS))
    bank.clock.pass_time(50)
    await bank.serve(ledger, 100, 20)
    bank.clock.pass_time(20)  # the other's purse is quiet now: it goes back first, which takes a moment
    taking = asyncio.create_task(ledger.take(bank.acme, Claim(50, 1)))
    await turns(1)
    bank.clock.pass_time(DAY_S)
    assert {part.period for part in (await taking)._parts if part.nano_usd} == {period_at(bank.clock.now)}


async def test_a_take_that_fails_after_midnight_loses_none_of_yesterdays_money() -> None:
    bank = Bank()
    ledger = PurseLedger(SlowLedgerTable(bank.table, lambda: late), bank.clock)
    late = 0
    await bank.serve(ledger, 100, 20)
    late = 200
    failing = asyncio.create_task(ledger.take(bank.acme, Claim(950, 1)))
    await turns(1)
    late = 0
    bank.clock.pass_time(DAY_S)
    await bank.serve(ledger, 100, 20)
    bank.table.lose_next.append("unapplied")
    with pytest.raises(ServiceUnavailable):
        await failing
    await ledger.close()
    assert bank.charged("t") == 40


async def test_settling_runs_to_its_end_when_who_waits_for_it_is_cancelled() -> None:
    bank = Bank()
    ledger = bank.process()
    hold = await ledger.take(bank.acme, Claim(10, 1))
    (await hold.attempt(10, 10)).billed(30)
    settling = asyncio.create_task(hold.settle())
    await turns(1)
    settling.cancel()
    with suppress(asyncio.CancelledError):
        await settling
    assert bank.charged() == 10
    await ledger.close()
    assert bank.charged() == 30


async def test_closing_gives_back_what_is_still_being_settled_too() -> None:
    bank = Bank()
    ledger = bank.process()
    holds = [await ledger.take(bank.acme, Claim(100, 1)) for _ in range(2)]
    bank.clock.pass_time(DAY_S)
    await bank.serve(bank.process(), 5, 5)
    await bank.serve(ledger, 5, 5)
    settling = [asyncio.create_task(hold.settle()) for hold in holds]
    await turns(2)
    await ledger.close()
    assert bank.charged("t") == 10
    await asyncio.gather(*settling)


async def test_closing_while_requests_are_served_gives_back_every_purse() -> None:
    bank = Bank()
    ledger = bank.process()
    tenants = [Principal(name, frozenset(), (), LIMITS) for name in ("a", "b", "c")]
    for tenant in tenants:
        await bank.serve(ledger, 100, 1, tenant)
    requests = (bank.serve(ledger, 1, 1, tenant) for tenant in reversed(tenants))
    await asyncio.gather(ledger.close(), ledger.close(), *requests)
    await ledger.close()
    assert [bank.charged("d", name) for name in "abc"] == [2, 2, 2]


async def test_under_two_percent_of_a_limit_nothing_stays_in_a_purse() -> None:
    bank = Bank()
    ledger, other = bank.process(), bank.process()
    await bank.serve(other, 978, 978)
    await bank.serve(ledger, 3, 1)
    assert bank.charged() == 978 + 1
    await bank.serve(other, 21, 21)
    with pytest.raises(BudgetSpent):
        await other.take(bank.acme, Claim(1, 1))


async def test_a_purse_holds_what_four_requests_need_at_most() -> None:
    bank = Bank()
    ledger = bank.process()
    holds = [await ledger.take(bank.acme, Claim(10, 1)) for _ in range(20)]
    for hold in holds:
        await hold.settle()
        assert sum(purse.nano_usd for purse in ledger._purses.values()) <= 40
    await ledger.close()
    assert bank.charged() == 0


async def test_a_purse_that_nobody_uses_goes_back_with_somebody_elses_request() -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 100, 10)
    bank.clock.pass_time(61)
    await bank.serve(ledger, 1, 1, Principal("other", frozenset(), (), LIMITS))
    assert bank.charged() == 10


@pytest.mark.parametrize("tenant", ["new", "known"])
async def test_a_clock_that_is_ahead_opens_no_day(tenant: str) -> None:
    bank = Bank()
    who = Principal(tenant, frozenset(), (), LIMITS)
    if tenant == "known":
        await bank.serve(bank.process(), 1, 1, who)
    fast = PurseLedger(bank.table, SkewedClock(bank.clock, DAY_S))
    with pytest.raises(ServiceUnavailable):
        await fast.take(who, Claim(1, 1))
    barely = PurseLedger(bank.table, SkewedClock(bank.clock, 1.9))
    assert await barely.take(who, Claim(1, 1))


async def test_who_has_seen_that_the_tokens_are_spent_asks_nobody() -> None:
    bank = Bank(Limits(1, 100, 1000, 10_000, NO_LIMIT))
    ledger = bank.process()
    await ledger.take(bank.acme, Claim(1, 100))
    before = len(bank.table.sent)
    for _ in range(10):
        with pytest.raises(TokenRateLimited):
            await ledger.take(bank.acme, Claim(1, 1))
    assert len(bank.table.sent) == before
    assert bank.charged() == 1
