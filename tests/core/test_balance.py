"""Does a budget hold: any processes, in any order, by clocks that are wrong by months, with replies that are lost?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from embedge.core.balance import (
    Adjust,
    Claim,
    Denied,
    Limited,
    Moment,
    Step,
    Terms,
    first_step,
    next_step,
)
from embedge.core.balance_forms import Period, credit, nearly_spent
from embedge.core.conditional_update import Item, evaluate
from embedge.core.gcra import MINUTE_US
from embedge.core.request import Limits, Principal

_DAY_US = 86_400_000_000
_AMOUNTS = st.integers(0, 60)
_TOKENS = st.just(0) | st.integers(0, 120)
_LIMITS = st.integers(0, 300) | st.just(10_000)
_WHO = st.integers(0, 2)
_NAMES = {"d": ("dl", "da"), "m": ("ml", "ma"), "t": ("tl", "ta")}


def terms_of(limits: Limits) -> Terms:
    return Terms.of(Principal("acme", frozenset(), (), limits))


def period_of(day: date) -> Period:
    return Period(day.year * 12 + day.month, day.toordinal())


@dataclass(slots=True)
class Wish:
    """A change that a process wants, on its way: what it sends next, and how often it has sent."""

    step: Step | Adjust
    claim: Claim = field(default_factory=lambda: Claim(0, 0))
    moment: Moment = field(default_factory=lambda: Moment(0, Period(0, 0)))
    give_back: int = 0
    terms: Terms = field(default_factory=lambda: terms_of(Limits(1, 1, 0, 0, 0)))
    adjusted: int = 0
    updates: int = 0
    raced: bool = False


@dataclass(slots=True)
class Process:
    """One of the users: how wrong its clock is, what limits it knows, what it saw last, wants, and holds."""

    skew_days: int
    terms: Terms
    seen: Item | None = None
    wish: Wish | None = None
    holds: list[tuple[Period, int]] = field(default_factory=list[tuple[Period, int]])


class Budget(RuleBasedStateMachine):
    """One balance and three processes. What was really taken is counted beside it, by period, and compared."""

    @initialize(
        start=st.dates(date(2026, 1, 1), date(2028, 12, 31)),
        skews=st.tuples(*[st.sampled_from([0, 0, 0, 0, 0, 0, -31, -1, 1, 31])] * 3),
        limits=st.builds(Limits, st.just(1), st.integers(1, 100), _LIMITS, _LIMITS, _LIMITS),
    )
    def begin(self, start: date, skews: tuple[int, ...], limits: Limits) -> None:
        self.item: Item | None = None
        self.today, self.time_us = start, start.toordinal() * _DAY_US
        self.limits, self.terms = limits, terms_of(limits)
        self.processes = [Process(skew, self.terms) for skew in skews]
        self.out: dict[tuple[str, int], int] = {}
        self.overrun: dict[tuple[str, int], int] = {}
        self.highest: dict[tuple[str, int], int] = {}

    # What processes want.

    @rule(who=_WHO, nano_usd=_AMOUNTS, tokens=_TOKENS)
    def want(self, who: int, nano_usd: int, tokens: int) -> None:
        process, claim = self.processes[who], Claim(nano_usd, tokens)
        if process.wish is None and not claim.is_nothing():
            moment = self._moment(process)
            step = first_step(process.seen, claim, process.terms, moment)
            process.wish = Wish(step, claim, moment, terms=process.terms)

    @rule(who=_WHO, share=st.integers(-20, 100))
    def return_a_hold(self, who: int, share: int) -> None:
        process = self.processes[who]
        if process.wish is None and process.holds:
            period, held = process.holds.pop()
            amount = held * share // 100
            process.wish = Wish(Step(credit(process.seen, amount, period), period, "default"), give_back=amount)

    # What becomes of it.

    @rule(who=_WHO, nano_usd=_AMOUNTS, tokens=_TOKENS)
    def reserve_undisturbed(self, who: int, nano_usd: int, tokens: int) -> None:
        self.want(who, nano_usd, tokens)
        for _ in range(10):
            self.send(who)
        assert self.processes[who].wish is None

    @rule(who=_WHO)
    def send(self, who: int) -> None:
        process = self.processes[who]
        if (wish := process.wish) is None:
            return
        outcome = self._carry_out(process, wish)
        process.seen = self.item
        if outcome is not None and isinstance(wish.step, Step):
            if wish.claim.nano_usd:
                process.holds.append((wish.step.period, wish.claim.nano_usd))
            process.wish = None
        elif wish.claim.is_nothing():
            assert isinstance(wish.step, Step)
            wish.step = Step(credit(self.item, wish.give_back, wish.step.period), wish.step.period, "default")
        else:
            self._decide_again(process, wish)

    @rule(who=_WHO, what=st.sampled_from(["applied", "lost", "dead"]))
    def send_and_never_learn(self, who: int, what: str) -> None:
        """A reservation counts as not had, a return as made; neither is sent again. The dead send nothing again."""
        process = self.processes[who]
        if process.wish is not None and what != "lost":
            self._carry_out(process, process.wish)
        process.wish = None
        if what == "dead":
            self.processes[who] = Process(process.skew_days, self.terms)

    @rule(days=st.sampled_from([0, 1, 1, 30]), passed_us=st.integers(0, 2 * MINUTE_US))
    def pass_time(self, days: int, passed_us: int) -> None:
        self.today += timedelta(days=days)
        self.time_us += days * _DAY_US + passed_us

    @rule(which=st.sampled_from(["day_nano_usd", "month_nano_usd", "total_nano_usd"]), new=_LIMITS, rises=st.booleans())
    def set_a_limit(self, which: str, new: int, rises: bool) -> None:  # noqa: FBT001 (drawn)
        """In the tenant's document, whose version rises; or in the deployment's defaults, which have none."""
        version = self.limits.version + (1 if rises or self.limits.version else 0)
        self.limits = replace(self.limits, version=version, **{which: new})
        self.terms = terms_of(self.limits)

    @rule(who=_WHO)
    def learn_the_limits(self, who: int) -> None:
        self.processes[who].terms = self.terms

    # What must hold.

    @invariant()
    def a_limit_is_what_is_available_and_what_is_out(self) -> None:
        if (item := self.item) is not None:
            assert item["dl"] == item["da"] + self.out.get(("d", item["di"]), 0)
            assert item["ml"] == item["ma"] + self.out.get(("m", item["mi"]), 0)
            assert item["tl"] == item["ta"] + self.out.get(("t", 0), 0)

    @invariant()
    def nothing_is_out_beyond_the_highest_limit_that_its_period_had(self) -> None:
        for label, out in self.out.items():
            assert out - self.overrun.get(label, 0) <= self.highest[label]

    @invariant()
    def what_is_held_is_out(self) -> None:
        for which in "dmt":
            held: dict[tuple[str, int], int] = {}
            for process in self.processes:
                for period, amount in process.holds:
                    label = dict(_labels(period))[which]
                    held[which, label] = held.get((which, label), 0) + amount
            assert all(amount <= self.out[label] for label, amount in held.items())

    # How it goes on.

    def _carry_out(self, process: Process, wish: Wish) -> Item | None:
        wish.updates += 1
        assert wish.raced or wish.updates - wish.adjusted <= 2
        before, after = self.item, evaluate(wish.step.update, self.item)
        if after is None:
            return None
        self.item = after
        self._note_limits()
        if isinstance(wish.step, Adjust):
            assert before is not None
            assert before["cv"] <= after["cv"] == wish.terms.limits.version
            wish.adjusted += 1
        else:
            self._hold_to_order(before, after, wish, wish.step.period)
            taken = wish.claim.nano_usd - wish.give_back
            for label in _labels(wish.step.period):
                self.out[label] = self.out.get(label, 0) + taken
                self.overrun[label] = self.overrun.get(label, 0) + max(0, -wish.give_back)
        self._race(process)
        return after

    def _hold_to_order(self, before: Item | None, after: Item, wish: Wish, period: Period) -> None:
        if before is not None:
            assert (after["mi"], after["di"]) >= (before["mi"], before["di"])
            assert all(after.get(name, 0) >= before.get(name, 0) for name in "gc")
            assert after["cv"] == before["cv"]
        if wish.claim.nano_usd:
            assert min(after["da"], after["ma"], after["ta"]) >= 0
        if wish.claim.tokens:
            assert after["g"] <= wish.moment.now_us + MINUTE_US
        if not wish.claim.is_nothing():
            assert (after["mi"], after["di"]) == (period.month, period.day)

    def _decide_again(self, process: Process, wish: Wish) -> None:
        decision = next_step(self.item, wish.claim, wish.terms, wish.moment)
        if isinstance(decision, Denied | Limited):
            self._hold_to_truth(decision, wish)
            process.wish = None
        else:
            wish.step = decision

    def _hold_to_truth(self, denied: Denied | Limited, wish: Wish) -> None:
        """There really is less than was asked for of what the denial names."""
        item, period = self.item or {}, wish.moment.period
        if isinstance(denied, Limited):
            if wish.claim.tokens <= self.limits.tokens_per_minute:
                assert denied.wait_us is not None
                assert denied.wait_us > 0
                assert item["g"] > wish.moment.now_us
            assert denied.rate.remaining < wish.claim.tokens
            return
        fresh = {
            "day": item.get("di", 0) < period.day,
            "month": item.get("mi", 0) < period.month,
            "total": self.item is None,
        }
        limit, available = _NAMES[denied.period[0]]
        limits = wish.terms.limits
        opening = {"dl": limits.day_nano_usd, "ml": limits.month_nano_usd, "tl": limits.total_nano_usd}
        left = item.get(limit, opening[limit]) if fresh[denied.period] else item[available]
        assert left < wish.claim.nano_usd

    def _note_limits(self) -> None:
        assert self.item is not None
        for (which, label), limit in zip(
            _labels(Period(self.item["mi"], self.item["di"])), ("dl", "ml", "tl"), strict=True
        ):
            self.highest[which, label] = max(self.highest.get((which, label), 0), self.item[limit])

    def _race(self, winner: Process | None) -> None:
        """Whoever else is under way now decides on something that has changed."""
        for process in self.processes:
            if process is not winner and process.wish is not None:
                process.wish.raced = True

    def _moment(self, process: Process) -> Moment:
        return Moment(
            self.time_us + process.skew_days * _DAY_US,
            period_of(self.today + timedelta(days=process.skew_days)),
        )


def _labels(period: Period) -> tuple[tuple[str, int], ...]:
    return ("d", period.day), ("m", period.month), ("t", 0)


TestBudget = Budget.TestCase
TestBudget.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.slow
class TestBudgetAtLength(Budget.TestCase):
    settings = settings(max_examples=2000, stateful_step_count=60, deadline=None)


_ITEM: Item = {"di": 1, "da": 50, "dl": 100, "mi": 1, "ma": 50, "ml": 100, "ta": 50, "tl": 100, "cv": 0}


@pytest.mark.parametrize("available", ["da", "ma", "ta"])
def test_a_balance_is_nearly_spent_when_under_two_percent_of_any_limit_is_left(available: str) -> None:
    assert not nearly_spent({**_ITEM, available: 2})
    assert nearly_spent({**_ITEM, available: 1})


def test_an_account_is_opened_once_with_what_was_asked_for_taken_out() -> None:
    limits = terms_of(Limits(1, 100, 1000, 2000, 3000, version=7))
    moment = Moment(5, Period(2, 1))
    first = first_step(None, Claim(10, 50), limits, moment)
    assert evaluate(first.update, None) is None
    opening = next_step(None, Claim(10, 50), limits, moment)
    assert isinstance(opening, Step)
    opened = evaluate(opening.update, None)
    money = {"di": 1, "da": 990, "dl": 1000, "mi": 2, "ma": 1990, "ml": 2000, "ta": 2990, "tl": 3000}
    assert opened == money | {"cv": 7, "x": 0, "lo": 0} | dict.fromkeys("gc", 5 + MINUTE_US // 2)
    assert evaluate(opening.update, opened) is None


@pytest.mark.parametrize("tokens", [101, 10**9])
def test_more_tokens_than_a_minute_allows_are_never_taken_however_idle_the_tenant_was(tokens: int) -> None:
    limits, moment = terms_of(Limits(1, 100, 100, 100, 100)), Moment(10**15, Period(1, 1))
    for item in (_ITEM, *({**_ITEM, "g": t, "c": t} for t in (0, 10**15 - 10**9, 10**15 + 1))):
        assert evaluate(first_step(item, Claim(1, tokens), limits, moment).update, item) is None
        assert isinstance(next_step(item, Claim(1, tokens), limits, moment), Limited)
