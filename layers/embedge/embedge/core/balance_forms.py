"""How is money taken from a balance, and given back to it, whatever period the item is in?

Each form is one update: RESERVE in the item's own day, RE-OPEN for a new day or month, which also reserves, and the
opening of an account.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.conditional_update import (
    Assign,
    Attribute,
    Compare,
    Condition,
    ConditionalUpdate,
    Item,
    NewItem,
)
from embedge.core.request import Limits

Form: TypeAlias = Literal["same", "day", "month", "open"]


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The month and the day, UTC, that a charge belongs to: months since year 0, days since 0001-01-01."""

    month: int
    day: int


def form_of(item: Item, period: Period) -> Form:
    """Return the form of a reservation in `period`; an item that is newer than it is reserved from as it stands."""
    if item["mi"] < period.month:
        return "month"
    return "day" if item["mi"] == period.month and item["di"] < period.day else "same"


def available(form: Form, item: Item | None, limits: Limits) -> tuple[int, int, int]:
    """Return what there is to take of the day, the month and the total."""
    if item is None or form == "open":
        return limits.day_nano_usd, limits.month_nano_usd, limits.total_nano_usd
    day = item["da"] if form == "same" else item["dl"]
    month = item["ml"] if form == "month" else item["ma"]
    return day, month, item["ta"]


def taking(form: Form, amount: int, period: Period, limits: Limits) -> ConditionalUpdate:
    """Return the update that takes an amount in this form; `limits` are what an account is opened with."""
    return _open(amount, period, limits) if form == "open" else _FORMS[form](amount, period)


def credit(item: Item | None, nano_usd: int, period: Period) -> ConditionalUpdate:
    """Return the update that gives `nano_usd` back to what it was taken from (or takes it, where negative: an overrun).

    A period that is over has nothing to get back; the ones still open do. `item` is what was last seen.
    """
    same: tuple[Condition, ...] = (Compare("di", "=", period.day), Compare("mi", "=", period.month))
    if item is None or Period(item["mi"], item["di"]) <= period:
        return ConditionalUpdate(_add(("da", "ma", "ta"), nano_usd), same)
    if item["mi"] == period.month:
        still_month: tuple[Condition, ...] = (
            Compare("di", ">", period.day),
            Compare("mi", "=", period.month),
        )
        return ConditionalUpdate(_add(("ma", "ta"), nano_usd), still_month)
    return ConditionalUpdate(_add(("ta",), nano_usd), (Compare("mi", ">", period.month),))


def nearly_spent(item: Item) -> bool:
    """Tell whether under 2 % of a limit is left, so that nothing should stay in a purse."""
    pairs = (("da", "dl"), ("ma", "ml"), ("ta", "tl"))
    return any(item[available] * 50 < item[limit] for available, limit in pairs)


def _same(amount: int, period: Period) -> ConditionalUpdate:
    conditions = (
        Compare("di", "=", period.day),
        Compare("mi", "=", period.month),
        *_at_least(("da", "ma", "ta"), amount),
    )
    return ConditionalUpdate(_add(("da", "ma", "ta"), -amount), conditions)


def _reopen_day(amount: int, period: Period) -> ConditionalUpdate:
    reopened = (Assign("di", period.day), Assign("da", Attribute("dl"), -amount))
    conditions = (
        Compare("di", "<", period.day),
        Compare("mi", "=", period.month),
        *_at_least(("dl", "ma", "ta"), amount),
    )
    return ConditionalUpdate(reopened + _add(("ma", "ta"), -amount), conditions)


def _reopen_month(amount: int, period: Period) -> ConditionalUpdate:
    reopened = (
        Assign("di", period.day),
        Assign("mi", period.month),
        Assign("da", Attribute("dl"), -amount),
        Assign("ma", Attribute("ml"), -amount),
        Assign("lo", 0),
    )
    conditions = (
        Compare("di", "<", period.day),
        Compare("mi", "<", period.month),
        *_at_least(("dl", "ml", "ta"), amount),
    )
    return ConditionalUpdate(reopened + _add(("ta",), -amount), conditions)


def _open(amount: int, period: Period, limits: Limits) -> ConditionalUpdate:
    opened = (
        Assign("di", period.day),
        Assign("mi", period.month),
        Assign("dl", limits.day_nano_usd),
        Assign("ml", limits.month_nano_usd),
        Assign("tl", limits.total_nano_usd),
        Assign("da", limits.day_nano_usd - amount),
        Assign("ma", limits.month_nano_usd - amount),
        Assign("ta", limits.total_nano_usd - amount),
        Assign("cv", limits.version),
        Assign("x", 0),
        Assign("lo", 0),
    )
    return ConditionalUpdate(opened, (NewItem(),))


_FORMS = {"same": _same, "day": _reopen_day, "month": _reopen_month}


def _add(attributes: tuple[str, ...], amount: int) -> tuple[Assign, ...]:
    return tuple(Assign(name, Attribute(name), amount) for name in attributes)


def _at_least(attributes: tuple[str, ...], amount: int) -> tuple[Condition, ...]:
    # Nothing can be taken from an account that is overdrawn: nothing, that is, but nothing.
    return tuple(Compare(name, ">=", amount) for name in attributes) if amount else ()
