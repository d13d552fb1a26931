"""Which alarms has a tenant of its own? At 50 and 80 % of a budget people are told; at 100 %, or too fast, it stops.

How much is taken of a budget is measured by `reconcile`, exactly, every hour; the ledger itself stops at 100 % at once.
The burn rate is of the last hour, and a minute late: a quarter of a day's budget, or a twentieth of a month's.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.request import NO_LIMIT
from embedge.core.tenant_document import TenantDocument

_HOUR_OF_DAY, _HOUR_OF_MONTH = 4, 20
_LEVELS: tuple[tuple[int, Literal["notify", "block"]], ...] = ((50, "notify"), (80, "notify"), (100, "block"))
_NANO = 10**9

Missing: TypeAlias = Literal["ignore", "notBreaching"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm on one metric of the namespace Embedge, for an hour at least `threshold`."""

    name: str
    description: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: Literal["Maximum", "Sum"]
    threshold: float
    missing: Missing


def prefix(stack: str, tenant: str) -> str:
    """Return what the names of a tenant's alarms begin with, and no others."""
    return f"{stack}/tenant/{tenant}/"


def alarms(stack: str, tenant: str, document: TenantDocument) -> tuple[Alarm, ...]:
    """Return the alarms of a tenant with these limits; none where it has no budget of its own."""
    limits = {"day": document.day_nano_usd, "month": document.month_nano_usd, "total": document.total_nano_usd}
    budgets = {period: limit for period, limit in limits.items() if limit is not None and 0 < limit < NO_LIMIT}
    shares = [budgets[period] / part for period, part in _SHARES.items() if period in budgets]
    taken = [_taken(stack, tenant, period, level) for period in budgets for level in range(len(_LEVELS))]
    return (*taken, *([_burn(stack, tenant, min(shares) / _NANO)] if shares else []))


_SHARES = {"day": _HOUR_OF_DAY, "month": _HOUR_OF_MONTH}


def _taken(stack: str, tenant: str, period: str, level: int) -> Alarm:
    percent, deed = _LEVELS[level]
    return Alarm(
        name=f"{prefix(stack, tenant)}{deed}/{period}-{percent}",
        description=f"The tenant {tenant} has taken {percent} % of its budget ({period}).",
        metric="budget_taken_percent",
        dimensions=(("service", f"{stack}-reconcile"), ("tenant", tenant), ("period", period)),
        statistic="Maximum",
        threshold=percent,
        missing="ignore",
    )


def _burn(stack: str, tenant: str, threshold_usd: float) -> Alarm:
    return Alarm(
        name=f"{prefix(stack, tenant)}block/burn-rate",
        description=f"The tenant {tenant} has spent ${threshold_usd:.6f} within an hour.",
        metric="cost_usd",
        dimensions=(("service", stack), ("tenant", tenant)),
        statistic="Sum",
        threshold=threshold_usd,
        missing="notBreaching",
    )
