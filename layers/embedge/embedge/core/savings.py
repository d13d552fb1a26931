"""What did the cache save, what did it cost, and what is left of that? By day, and by tenant and model."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedge.core.usage import Counts, UsageRow
from embedge.core.usage_groups import Dimension, Group, grouped, total


@dataclass(frozen=True, slots=True)
class Savings:
    """What rows come to, under a name."""

    name: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Report:
    """The savings of some days: every day in order, each tenant's each model, the dearest first, and all."""

    days: tuple[Savings, ...]
    models: tuple[Savings, ...]
    total: Savings


def report(rows: Sequence[UsageRow], days: Sequence[str]) -> Report:
    """Add rows up; those of other days are left out, and days without any are shown too."""
    within = [row for row in rows if row.name.day in days]
    by_day = {group.names[0]: group.counts for group in _all(within, "day")}
    models = [
        Savings(" ".join(group.names), group.counts) for group in sorted(_all(within, "tenant", "model"), key=_name)
    ]
    return Report(
        days=tuple(Savings(day, by_day.get(day, Counts())) for day in days),
        models=tuple(sorted(models, key=lambda one: -one.counts.net())),
        total=Savings("all", total(row.counts for row in within)),
    )


def _all(rows: Sequence[UsageRow], *by: Dimension) -> tuple[Group, ...]:
    return grouped(rows, by, max(1, len(rows)))


def _name(group: Group) -> tuple[str, ...]:
    return group.names
