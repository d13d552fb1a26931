"""What does the purse do, one thing at a time?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest

from embedge.adapters.ledger_purse import PurseLedger
from embedge.core.balance import Claim
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.errors import BudgetSpent, ServiceUnavailable, TokenRateLimited
from tests.adapters.ledger_machine import DAY_S, START_S, SkewedClock, period_at
from tests.adapters.slowly import SlowLedgerTable, turns
from tests.fakes import FakeClock, FakeLedgerTable

_NAMES = {"d": ("dl", "da"), "m": ("ml", "ma"), "t": ("tl", "ta")}
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


async def test_operators_hear_of_a_bill_beyond_its_hold_and_of_no_other() -> None:
    bank, faults = Bank(), list[str]()
    ledger = PurseLedger(bank.table, bank.clock, on_fault=faults.append)
    for claimed, billed in ((10, 10), (10, 4)):
        await bank.serve(ledger, claimed, billed)
    assert faults == []
    await bank.serve(ledger, 10, 11)
    assert faults == ["billed_beyond_hold"]


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


# Leases, tokens ahead, and a ledger that is away.

RICH = Limits(1, 10**9, 10**9, 10**9, NO_LIMIT)


async def test_a_busy_process_with_a_large_budget_makes_few_writes() -> None:
    bank = Bank(RICH)
    ledger = bank.process()
    for _ in range(1_000):
        await bank.serve(ledger, 100, 60)
        bank.clock.pass_time(0.1)
    assert len(bank.table.sent) < 150
    await ledger.close()
    assert bank.charged() == 60_000
    assert bank.table.items["acme", "B"]["x"] == 0


async def test_where_a_budget_is_small_for_its_requests_there_is_no_lease() -> None:
    bank = Bank(Limits(1, 10**9, 10**6, 10**6, NO_LIMIT))
    ledger = bank.process()
    for _ in range(100):
        await bank.serve(ledger, 100, 100)
    assert bank.table.items["acme", "B"]["x"] == 0


async def test_while_the_ledger_is_away_a_lease_may_be_spent_with_a_tenth_of_the_tokens() -> None:
    bank = Bank(replace(RICH, tokens_per_minute=30))
    ledger = bank.process()
    for _ in range(20):
        await bank.serve(ledger, 100, 100)
        bank.clock.pass_time(10)
    bank.table.down = True
    for _ in range(3):
        await bank.serve(ledger, 100, 100)
    with pytest.raises(TokenRateLimited) as limited:
        await ledger.take(bank.acme, Claim(100, 1))
    assert limited.value.retry_after_s
    bank.clock.pass_time(60)
    await bank.serve(ledger, 100, 100)
    with pytest.raises(ServiceUnavailable):  # what is not in hand is not given out, and costs nobody a token
        await ledger.take(bank.acme, Claim(10**7, 1))


async def test_a_lease_of_yesterday_pays_nothing_today_and_its_rest_goes_back_to_where_it_is_of() -> None:
    bank = Bank(RICH)
    ledger = bank.process()
    for _ in range(20):
        await bank.serve(ledger, 100, 100)
    assert bank.table.items["acme", "B"]["x"] > 0
    bank.clock.pass_time(DAY_S)
    await bank.serve(ledger, 100, 100)
    await ledger.close()
    assert bank.charged() == 100
    assert bank.charged("m") == bank.charged("t") == 2_100


async def test_a_lease_that_nobody_uses_is_closed_with_somebody_elses_request() -> None:
    bank = Bank(RICH)
    ledger = bank.process()
    for _ in range(20):
        await bank.serve(ledger, 100, 100)
    bank.clock.pass_time(61)
    await bank.serve(ledger, 1, 1, Principal("other", frozenset(), (), RICH))
    assert (bank.charged(), bank.table.items["acme", "B"]["x"]) == (2_000, 0)


async def test_new_limits_are_followed_before_anything_is_taken() -> None:
    bank = Bank()
    ledger, other = bank.process(), bank.process()
    await bank.serve(ledger, 400, 400)
    lower = Principal("acme", frozenset(), (), replace(LIMITS, day_nano_usd=450, version=3))
    with pytest.raises(BudgetSpent):
        await other.take(lower, Claim(51, 1))
    await bank.serve(other, 50, 50, lower)
    with pytest.raises(BudgetSpent):  # also for who has only heard of the old ones
        await ledger.take(bank.acme, Claim(1, 1))
    higher = Principal("acme", frozenset(), (), replace(LIMITS, day_nano_usd=2_000, version=4))
    await bank.serve(ledger, 1_500, 1_500, higher)
    assert bank.charged() == 1_950


async def test_a_lowered_limit_binds_the_first_request_of_a_process_that_has_seen_nothing() -> None:
    bank = Bank()
    await bank.serve(bank.process(), 400, 400)
    bank.clock.pass_time(120)  # no rate is busy any more, so nothing else shows the process what stands there
    lower = Principal("acme", frozenset(), (), replace(LIMITS, day_nano_usd=450, version=3))
    with pytest.raises(BudgetSpent):
        await bank.process().take(lower, Claim(51, 1))
    await bank.serve(bank.process(), 50, 50, lower)
    assert bank.charged() == bank.table.items["acme", "B"]["dl"] == 450


@pytest.mark.parametrize("limits", [LIMITS, replace(LIMITS, day_nano_usd=10**9, month_nano_usd=10**9)])
async def test_a_lowered_limit_binds_the_next_request_whatever_a_process_has_in_its_purse_or_lease(
    limits: Limits,
) -> None:
    bank = Bank(limits)
    ledger = bank.process()
    for _ in range(20):
        await bank.serve(ledger, 20, 10)
    assert bank.charged() > 200  # more is held than was billed
    lower = Principal("acme", frozenset(), (), replace(limits, day_nano_usd=100, version=1))
    with pytest.raises(BudgetSpent):
        await ledger.take(lower, Claim(1, 1))
    assert (bank.charged(), bank.table.items["acme", "B"]["x"]) == (200, 0)


async def test_new_defaults_of_the_deployment_are_followed_by_tenants_that_have_no_limits_of_their_own() -> None:
    bank = Bank()
    ledger = bank.process()
    await bank.serve(ledger, 400, 400)
    await bank.serve(ledger, 1_500, 1_500, Principal("acme", frozenset(), (), replace(LIMITS, day_nano_usd=2_000)))
    assert bank.table.items["acme", "B"]["dl"] == 2_000


async def test_who_is_exempt_is_bound_by_budgets_and_not_by_rates() -> None:
    bank = Bank(Limits(1, 10, 1_000, 1_000, NO_LIMIT))
    ledger = bank.process()
    exempt = replace(bank.acme, exempt=True)
    for _ in range(9):
        hold = await ledger.take(exempt, Claim(100, 1_000))
        (await hold.attempt(100, 100)).billed(100)
        assert (await hold.settle()).rate is None
    with pytest.raises(BudgetSpent):
        await ledger.take(exempt, Claim(101, 0))
