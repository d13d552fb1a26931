"""Is what is left of a budget what the ledger itself would still give out?"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.account import budgets, rates, rates_of_models
from embedge.core.allowance import rates_of
from embedge.core.balance import Adjust, Claim, Moment, Step, Terms, first_step, next_step
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import Item, evaluate
from embedge.core.gcra import Want
from embedge.core.request import NO_LIMIT, Limits, ModelRate, Principal

LIMITS = Limits(60, 6_000, 1_000, 5_000, 9_000)
NOW = Period(24_324, 739_997)
MONEY = st.integers(1, 400)


def taking(item: Item | None, nano_usd: int, period: Period, limits: Limits = LIMITS) -> Item | None:
    """Return the item after this much was taken in that period, None where it was refused."""
    moment = Moment(1_700_000_000_000_000, period)
    claim, terms = Claim(nano_usd, 0), Terms.of(Principal("acme", frozenset(), (), limits))
    step = first_step(item, claim, terms, moment)
    for _ in range(4):
        after = evaluate(step.update, item)
        if after is not None and isinstance(step, Step):
            return after
        item = item if after is None else after
        following = next_step(item, claim, terms, moment)
        if not isinstance(following, Step | Adjust):
            return None
        step = following
    raise AssertionError


def left(item: Item | None, period: Period = NOW, limits: Limits = LIMITS) -> dict[str, int]:
    return {one.period: one.left_nano_usd() for one in budgets(item, limits, period)}


@given(st.lists(st.tuples(MONEY, st.integers(0, 2)), max_size=12))
def test_what_is_said_to_be_left_can_be_taken_and_one_more_cannot(taken: list[tuple[int, int]]) -> None:
    item: Item | None = None
    period = NOW
    for nano_usd, days in taken:
        period = Period(period.month, period.day + days)
        item = taking(item, nano_usd, period) or item
    least = min(left(item, period).values())
    assert taking(item, least + 1, period) is None
    assert least == 0 or taking(item, least, period) is not None


def test_a_day_or_a_month_that_has_not_begun_in_the_ledger_is_whole() -> None:
    item = taking(None, 300, NOW)
    assert left(item) == {"day": 700, "month": 4_700, "total": 8_700}
    assert left(item, Period(NOW.month, NOW.day + 1)) == {"day": 1_000, "month": 4_700, "total": 8_700}
    assert left(item, Period(NOW.month + 1, NOW.day + 1)) == {"day": 1_000, "month": 5_000, "total": 8_700}
    assert left(None) == {"day": 1_000, "month": 5_000, "total": 9_000}


def test_a_new_limit_counts_at_once_and_less_than_nothing_is_nothing() -> None:
    item = taking(None, 300, NOW)
    raised, lowered = replace(LIMITS, day_nano_usd=2_000), replace(LIMITS, day_nano_usd=200)
    assert left(item, limits=raised)["day"] == 1_700
    assert left(item, limits=lowered)["day"] == 0


def test_a_budget_that_does_not_bind_is_not_shown() -> None:
    limits = replace(LIMITS, month_nano_usd=NO_LIMIT, total_nano_usd=NO_LIMIT)
    assert list(left(None, limits=limits)) == ["day"]
    assert [rate.kind for rate in rates(None, {}, replace(LIMITS, tokens_per_minute=NO_LIMIT), 0)] == ["requests"]


def test_rates_are_those_of_the_headers() -> None:
    requests, tokens = rates({"g": 30_000_000}, {"requests": {"g": 1_000_000}}, LIMITS, 0)
    assert (requests.kind, requests.limit, requests.remaining, requests.reset_us) == ("requests", 60, 59, 1_000_000)
    assert (tokens.kind, tokens.limit, tokens.remaining, tokens.reset_us) == ("tokens", 6_000, 3_000, 30_000_000)


def test_rates_of_models_are_those_that_requests_for_them_are_held_to() -> None:
    limits = replace(LIMITS, models=(ModelRate("text-*", 10, None), ModelRate("big", 5, 600)))
    who = Principal("acme", frozenset(), (), limits)
    wants = [rates_of(who, "requests").step(None, Want(1, 1)), rates_of(who, "tokens").step(None, Want(60, 1))]
    requests, tokens = (evaluate(update, None) for update in wants)
    assert requests is not None
    found = rates_of_models(tokens, {"requests": requests}, limits, 1)
    assert [(name, rate.kind, rate.limit, rate.remaining) for name, rate in found] == [
        ("text-*", "requests", 10, 9),
        ("big", "requests", 5, 4),
        ("big", "tokens", 600, 540),
    ]
    assert rates_of_models(None, {}, LIMITS, 0) == ()
