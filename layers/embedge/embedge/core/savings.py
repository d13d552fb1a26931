"""What did the cache save, what did it cost, and what is left of that? By day, and by tenant and model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from embedge.core.usage import Counts, UsageRow

_Group = TypeVar("_Group")


@dataclass(frozen=True, slots=True)
class Savings:
    """What rows come to, under a name."""

    name: str
    counts: Counts

    def net_nano_usd(self) -> int:
        """Return what the cache saved beyond what it cost; negative where it cost more."""
        return self.counts.saved - self.counts.spent

    def hit_rate(self) -> float:
        """Return which part of what was looked up was found, 0 to 1."""
        looked_up = self.counts.hits + self.counts.misses
        return self.counts.hits / looked_up if looked_up else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """The savings of some days: every day in order, each tenant's each model, the dearest first, and all."""

    days: tuple[Savings, ...]
    models: tuple[Savings, ...]
    total: Savings


def report(rows: Sequence[UsageRow], days: Sequence[str]) -> Report:
    """Add rows up; those of other days are left out, and days without any are shown too."""
    within = [row for row in rows if row.name.day in days]
    by_day = _added(within, lambda row: row.name.day)
    by_model = _added(within, lambda row: (row.name.tenant, row.name.model))
    models = [Savings(f"{tenant} {model}", counts) for (tenant, model), counts in sorted(by_model.items())]
    return Report(
        days=tuple(Savings(day, by_day.get(day, Counts())) for day in days),
        models=tuple(sorted(models, key=lambda one: -one.net_nano_usd())),
        total=Savings("all", _sum(row.counts for row in within)),
    )


def _added(rows: Iterable[UsageRow], group: Callable[[UsageRow], _Group]) -> dict[_Group, Counts]:
    added: dict[_Group, Counts] = {}
    for row in rows:
        added[group(row)] = added.get(group(row), Counts()).plus(row.counts)
    return added


def _sum(counts: Iterable[Counts]) -> Counts:
    total = Counts()
    for one in counts:
        total = total.plus(one)
    return total
