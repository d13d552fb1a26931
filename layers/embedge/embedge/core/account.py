"""What may a tenant still use, of each budget and of each rate? As its items in the ledger say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.allowance import model_rates
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import Item
from embedge.core.gcra import Rate, RateState
from embedge.core.request import NO_LIMIT, Limits

Kind: TypeAlias = Literal["requests", "tokens"]
PeriodName: TypeAlias = Literal["day", "month", "total"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget that binds. What is taken was spent, or is held at this moment."""

    period: PeriodName
    limit_nano_usd: int
    taken_nano_usd: int

    def left_nano_usd(self) -> int:
        """Return what may still be taken; nothing where an overrun, or a lower limit, has left less."""
        return max(0, self.limit_nano_usd - self.taken_nano_usd)


def budgets(balance: Item | None, limits: Limits, period: Period) -> tuple[Budget, ...]:
    """Return the budgets that bind. `balance` is the ledger's item, None where nothing was ever taken.

    A period that is newer than the item's has not begun there yet, so nothing of it is taken. What was taken is the
    item's own limit less what is available; so it is right also while a new limit has not reached the item.
    """
    item = balance or {}
    opened = Period(item.get("mi", -1), item.get("di", -1))
    taken = {
        "day": _taken(item, "d") if opened >= period else 0,
        "month": _taken(item, "m") if opened.month >= period.month else 0,
        "total": _taken(item, "t"),
    }
    limit = {"day": limits.day_nano_usd, "month": limits.month_nano_usd, "total": limits.total_nano_usd}
    names: tuple[PeriodName, ...] = ("day", "month", "total")
    return tuple(Budget(name, limit[name], taken[name]) for name in names if limit[name] < NO_LIMIT)


def budgets_kept(balance: Item, period: Period) -> tuple[Budget, ...]:
    """Return the budgets that bind by the item's own limits, which may be those of an earlier version."""
    return budgets(balance, Limits(0, 0, balance["dl"], balance["ml"], balance["tl"]), period)


def taken_percent(balance: Item, period: Period) -> Mapping[PeriodName, float]:
    """Return how much of each of those is taken; over 100 after an overrun."""
    found = budgets_kept(balance, period)
    return {one.period: 100 * one.taken_nano_usd / one.limit_nano_usd for one in found if one.limit_nano_usd}


def rates(balance: Item | None, limiters: Mapping[str, Item], limits: Limits, now_us: int) -> tuple[RateState, ...]:
    """Return what is left of a minute's requests and tokens, where there is a limit."""
    requests, tokens = Rate("requests", limits.requests_per_minute), Rate("tokens", limits.tokens_per_minute)
    bound = ((requests, limiters.get("requests")), (tokens, balance))
    return tuple(rate.state(item, now_us) for rate, item in bound if rate.per_minute < NO_LIMIT)


def rates_of_models(
    balance: Item | None, limiters: Mapping[str, Item], limits: Limits, now_us: int
) -> tuple[tuple[str, RateState], ...]:
    """Return the same of the models that have rates of their own, each with the pattern that names them."""
    bound: tuple[tuple[Kind, Item | None], ...] = (("requests", limiters.get("requests")), ("tokens", balance))
    return tuple((name, rate.state(item, now_us)) for kind, item in bound for name, rate in model_rates(limits, kind))


def _taken(item: Item, which: Literal["d", "m", "t"]) -> int:
    return item.get(f"{which}l", 0) - item.get(f"{which}a", 0)
