"""What has a tenant used, what did that cost, and what may it still use? For `GET /v1/usage`."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from embedge.core.account import Budget, PeriodName, budgets, rates, rates_of_models
from embedge.core.balance_forms import Period
from embedge.core.gcra import RateState
from embedge.core.request import Principal
from embedge.core.usage import Counts
from embedge.core.usage_groups import Dimension, Group, grouped, total
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, LedgerItems, Usage, UsageRows

MOST_GROUPS = 1_000
_BALANCE = "B"
_OUT_OF_REACH = "The usage is out of reach. Please try again in a few seconds."


@dataclass(frozen=True, slots=True)
class Question:
    """Which days, the first and the last included, and by what beside the usual to add them up."""

    first: date
    last: date
    group_by: tuple[Dimension, ...] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """Where usage is written, and where it can be read."""

    usage: Usage
    rows: UsageRows
    items: LedgerItems
    clock: Clock


@dataclass(frozen=True, slots=True)
class Resetting:
    """A budget, and when it is whole again; None for never."""

    budget: Budget
    resets: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """What was used, by this and that, and what is left at the moment `now`."""

    total: Counts
    days: tuple[Group, ...]
    models: tuple[Group, ...]
    bots: tuple[Group, ...]
    projects: tuple[Group, ...]
    groups: tuple[Group, ...]
    budgets: tuple[Resetting, ...]
    rates: tuple[RateState, ...]
    model_rates: tuple[tuple[str, RateState], ...]
    now: datetime


def today(clock: Clock) -> date:
    """Return the day by which usage is added up and budgets reset: UTC's."""
    return _now(clock).date()


async def account(principal: Principal, question: Question, books: Books) -> Account:
    """Add up a tenant's usage, and say what it may still use. Raises: ServiceUnavailable.

    What this process has not written is written first; what others have not is missing for some seconds.
    """
    await books.usage.flush()
    try:
        rows, own, limiters = await asyncio.gather(
            books.rows.read(principal.tenant, question.first.isoformat()),
            books.items.query(principal.tenant),
            books.items.query(f"RATE#{principal.tenant}"),
        )
    except ServiceUnavailable as error:  # its words are for operators
        raise ServiceUnavailable(_OUT_OF_REACH, retry_after_s=5) from error
    now, balance = _now(books.clock), own.get(_BALANCE)
    now_us = int(books.clock.now_s() * 1_000_000)
    within = [row for row in rows if row.name.day <= question.last.isoformat()]
    period = Period(now.year * 12 + now.month, now.toordinal())
    by = {name: grouped(within, (name,), MOST_GROUPS) for name in _USUAL}
    return Account(
        total=total(row.counts for row in within),
        days=by["day"],
        models=by["model"],
        bots=by["bot"],
        projects=by["project"],
        groups=grouped(within, question.group_by, MOST_GROUPS) if question.group_by else (),
        budgets=tuple(Resetting(one, _resets(one.period, now)) for one in budgets(balance, principal.limits, period)),
        rates=rates(balance, limiters, principal.limits, now_us),
        model_rates=rates_of_models(balance, limiters, principal.limits, now_us),
        now=now,
    )


_USUAL: tuple[Dimension, ...] = ("day", "model", "bot", "project")


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_s(), UTC)


def _resets(period: PeriodName, now: datetime) -> datetime | None:
    if period == "total":
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=28) + timedelta(days=4)).replace(day=1)
