"""What do a tenant's rows come to by day, model, bot or project, or by several of these at once?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote

from embedge.core.usage import OTHER, Counts, RowName, UsageRow

Dimension: TypeAlias = Literal["day", "model", "bot", "project", "tenant"]


@dataclass(frozen=True, slots=True)
class Group:
    """What the rows with the same names come to; `names` are in the order of the dimensions that were asked for."""

    names: tuple[str, ...]
    counts: Counts


def grouped(rows: Iterable[UsageRow], by: Sequence[Dimension], most: int) -> tuple[Group, ...]:
    """Add rows up, days in their order, all else the dearest first; of more than `most` groups the last are one.

    All those that have no row of their own are named `*`, and so is that last group.
    """
    added: dict[tuple[str, ...], Counts] = {}
    for row in rows:
        names = tuple(_name(row.name, dimension) for dimension in by)
        added[names] = added.get(names, Counts()).plus(row.counts)
    dearest = sorted(added.items(), key=_worth)
    kept, rest = (dearest, []) if len(dearest) <= most else (dearest[: most - 1], dearest[most - 1 :])
    shown = sorted(kept, key=_day) if by[0] == "day" else kept
    groups = tuple(Group(names, counts) for names, counts in shown)
    return (*groups, Group((OTHER,) * len(by), total(counts for _, counts in rest))) if rest else groups


def total(counts: Iterable[Counts]) -> Counts:
    """Return all together."""
    added = Counts()
    for one in counts:
        added = added.plus(one)
    return added


def _worth(group: tuple[tuple[str, ...], Counts]) -> tuple[int, int, tuple[str, ...]]:
    names, counts = group
    return -counts.cost, -counts.served, names


def _day(group: tuple[tuple[str, ...], Counts]) -> str:
    return group[0][0]


def _name(row: RowName, dimension: Dimension) -> str:
    """Return a name as the caller gave it; the one that would read like all others stays encoded."""
    match dimension:
        case "tenant":
            return row.tenant
        case "day":
            return row.day
        case "model":
            return row.model
        case "bot":
            return _decoded(row.bot)
        case "project":
            return _decoded(row.project)


def _decoded(part: str) -> str:
    name = unquote(part)
    return name if name != OTHER else part
