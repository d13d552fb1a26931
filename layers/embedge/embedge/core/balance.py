"""What does the ledger's next step on a tenant's balance say: reserve, re-open a period, open the account, or refuse?

One item holds what is left of every period that binds: `di da dl` (day: its number, available, limit), `mi ma ml`
(month), `ta tl` (total), in nano-dollars, and `t`, the token rate's arrival time, so that money and tokens are taken in
one write. A hold is a charge: only its holder may reduce it.

The law: per period, limit = available + taken out, and what is taken out grows only where available >= amount.
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
from embedge.core.gcra import Rate, RateState
from embedge.core.request import Limits


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The month and the day, UTC, that a charge belongs to: months since year 0, days since 0001-01-01."""

    month: int
    day: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Money in nano-dollars and tokens, to be taken together or not at all."""

    nano_usd: int
    tokens: int

    def is_nothing(self) -> bool:
        """Tell whether there is nothing to take."""
        return self.nano_usd == 0 and self.tokens == 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What a hold came to: nano-dollars billed, and the token rate as the ledger last showed it."""

    billed_nano_usd: int
    rate: RateState | None


@dataclass(frozen=True, slots=True)
class Step:
    """An update to try, and the period that the money will belong to if it is applied."""

    update: ConditionalUpdate
    period: Period


@dataclass(frozen=True, slots=True)
class Denied:
    """There is not enough money in a period."""

    period: Literal["day", "month", "total"]


@dataclass(frozen=True, slots=True)
class Limited:
    """There are not enough tokens: what is left of them, and how long until they would fit, in microseconds."""

    rate: RateState
    wait_us: int


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made, by the deciding process's own clock."""

    now_us: int
    period: Period


Decision: TypeAlias = Step | Denied | Limited


def first_step(item: Item | None, claim: Claim, limits: Limits, moment: Moment) -> Step:
    """Return the update to try first. `item` is what was last seen, None where nothing was; it is never refused by."""
    if item is None:
        return _take("same", claim, _Context(None, limits, moment.now_us, moment.period))
    return _take(_form(item, moment.period), claim, _context(item, limits, moment))


def next_step(item: Item | None, claim: Claim, limits: Limits, moment: Moment) -> Decision:
    """Return what to do after a refusal that showed `item`: another update, or a refusal that is true of that item."""
    context = _context(item, limits, moment)
    form = "open" if item is None else _form(item, moment.period)
    return _denial(form, claim, context) or _take(form, claim, context)


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


_Form: TypeAlias = Literal["same", "day", "month", "open"]


@dataclass(frozen=True, slots=True)
class _Context:
    item: Item | None
    limits: Limits
    now_us: int
    period: Period

    def rate(self) -> Rate:
        return Rate("tokens", self.limits.tokens_per_minute)


def _context(item: Item | None, limits: Limits, moment: Moment) -> _Context:
    seen = moment.period if item is None else Period(item["mi"], item["di"])
    # An item that is newer than our clock sets the period: time is never rolled back.
    return _Context(item, limits, moment.now_us, max(seen, moment.period))


def _form(item: Item, period: Period) -> _Form:
    if item["mi"] < period.month:
        return "month"
    return "day" if item["mi"] == period.month and item["di"] < period.day else "same"


def _available(form: _Form, context: _Context) -> tuple[int, int, int]:
    limits, item = context.limits, context.item
    if item is None or form == "open":
        return limits.day_nano_usd, limits.month_nano_usd, limits.total_nano_usd
    day = item["da"] if form == "same" else item["dl"]
    month = item["ml"] if form == "month" else item["ma"]
    return day, month, item["ta"]


def _denial(form: _Form, claim: Claim, context: _Context) -> Denied | Limited | None:
    if claim.nano_usd:
        day, month, total = _available(form, context)
        if total < claim.nano_usd:
            return Denied("total")
        if month < claim.nano_usd:
            return Denied("month")
        if day < claim.nano_usd:
            return Denied("day")
    if claim.tokens:
        rate = context.rate()
        wait_us = rate.wait_us(context.item, claim.tokens, context.now_us)
        if wait_us or not rate.fits(claim.tokens):
            return Limited(rate.state(context.item, context.now_us), wait_us)
    return None


def _take(form: _Form, claim: Claim, context: _Context) -> Step:
    assignments, conditions = _MONEY[form](claim.nano_usd, context)
    if claim.tokens:
        tokens = context.rate().step(context.item, claim.tokens, context.now_us)
        assignments += tokens.assignments
        conditions += () if form == "open" else tokens.conditions
    return Step(ConditionalUpdate(assignments, conditions), context.period)


_Money: TypeAlias = tuple[tuple[Assign, ...], tuple[Condition, ...]]


def _same(amount: int, context: _Context) -> _Money:
    period = context.period
    return _add(("da", "ma", "ta"), -amount), (
        Compare("di", "=", period.day),
        Compare("mi", "=", period.month),
        *_at_least(("da", "ma", "ta"), amount),
    )


def _reopen_day(amount: int, context: _Context) -> _Money:
    period = context.period
    reopened = (Assign("di", period.day), Assign("da", Attribute("dl"), -amount))
    return reopened + _add(("ma", "ta"), -amount), (
        Compare("di", "<", period.day),
        Compare("mi", "=", period.month),
        *_at_least(("dl", "ma", "ta"), amount),
    )


def _reopen_month(amount: int, context: _Context) -> _Money:
    period = context.period
    reopened = (
        Assign("di", period.day),
        Assign("mi", period.month),
        Assign("da", Attribute("dl"), -amount),
        Assign("ma", Attribute("ml"), -amount),
        Assign("lo", 0),
    )
    return reopened + _add(("ta",), -amount), (
        Compare("di", "<", period.day),
        Compare("mi", "<", period.month),
        *_at_least(("dl", "ml", "ta"), amount),
    )


def _open(amount: int, context: _Context) -> _Money:
    limits, period = context.limits, context.period
    opened = (
        Assign("di", period.day),
        Assign("mi", period.month),
        Assign("dl", limits.day_nano_usd),
        Assign("ml", limits.month_nano_usd),
        Assign("tl", limits.total_nano_usd),
        Assign("da", limits.day_nano_usd - amount),
        Assign("ma", limits.month_nano_usd - amount),
        Assign("ta", limits.total_nano_usd - amount),
        Assign("cv", 0),
        Assign("x", 0),
        Assign("lo", 0),
    )
    return opened, (NewItem(),)


_MONEY = {"same": _same, "day": _reopen_day, "month": _reopen_month, "open": _open}


def _add(attributes: tuple[str, ...], amount: int) -> tuple[Assign, ...]:
    return tuple(Assign(name, Attribute(name), amount) for name in attributes)


def _at_least(attributes: tuple[str, ...], amount: int) -> tuple[Condition, ...]:
    # Nothing can be taken from an account that is overdrawn: nothing, that is, but nothing.
    return tuple(Compare(name, ">=", amount) for name in attributes) if amount else ()
