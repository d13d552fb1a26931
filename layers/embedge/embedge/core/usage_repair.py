"""What of a tenant's usage is in the log and not in its rows, so that it is provably stranded?

What the log says of a row is added up here in items of their own (`RECORD#tenant`), by windows of time that are each
counted once: an item holds up to where it was counted (`w`), and takes a window only where that was not yet.

The law of a repair: rows never come to more than what was really used. When the rows are read, all that was logged
before the last window's end has been written, or was dropped and never will be: a process drops what is older than ten
minutes, and a window is counted a quarter of an hour after its end. So rows hold all of it that will ever come, perhaps
newer usage besides, and where they come to less than the log, the difference is lost without us.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from embedge.core.conditional_update import AbsentOr, Assign, AttributeOr, Compare, ConditionalUpdate, Item
from embedge.core.usage import MOST_ROWS, PARTITION, REPAIRS, Counts, RowName, UsageRow, read_row
from embedge.core.usage_groups import total

RECORDED = "RECORD#"
_COUNTED_TO = "w"


@dataclass(frozen=True, slots=True)
class Window:
    """A time that was logged in, in milliseconds since the epoch: from `start_ms` to before `end_ms`."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Repair:
    """What to add to a row that was seen like this; `seen` is how often it had been repaired."""

    row: RowName
    counts: Counts
    seen: int

    def update(self, expires_s: int) -> ConditionalUpdate:
        """Return the update, which is refused where somebody has repaired the row meanwhile."""
        once_more = Assign(REPAIRS, AttributeOr(REPAIRS, 0), 1)
        unseen = Compare(REPAIRS, "=", self.seen)
        return ConditionalUpdate(
            (*self.counts.added(), once_more, Assign("ttl", expires_s)),
            (AbsentOr(unseen) if self.seen == 0 else unseen,),
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """What the log says of a tenant's day, and what its rows say."""

    logged: Counts
    written: Counts

    def parts_per_million(self) -> int:
        """Return how far the two are apart, by the requests, tokens or money that differ the most."""
        pairs = zip(self.logged, self.written, strict=True)
        return max(abs(mine - theirs) * 1_000_000 // max(mine, theirs, 1) for mine, theirs in pairs)


def recorded_rows(tenant: str, items: Mapping[str, Item]) -> list[UsageRow]:
    """Return what the log says, from the items of `RECORD#tenant`."""
    rows = (read_row(PARTITION + tenant, sort_key, item) for sort_key, item in items.items())
    return [row for row in rows if row is not None]


def counted(window: Window, counts: Counts, expires_s: int) -> ConditionalUpdate:
    """Return the update that adds what a window has of a row, once: a second time it is refused."""
    steps = (*counts.added(), Assign(_COUNTED_TO, window.end_ms), Assign("ttl", expires_s))
    return ConditionalUpdate(steps, (AbsentOr(Compare(_COUNTED_TO, "<=", window.start_ms)),))


def within_rows(known: Iterable[RowName], sums: Mapping[RowName, Counts]) -> dict[RowName, Counts]:
    """Return the sums by where they go: what would be more rows than a day has goes to that of all others.

    The same window twice, the second time beside rows that the first has made, goes to the same rows.
    """
    rows = set(known)
    placed: dict[RowName, Counts] = {}
    for row, counts in sorted(sums.items(), key=lambda one: one[0].sort_key()):
        there = row
        if row not in rows:
            room = sum(other.day == row.day for other in rows) < MOST_ROWS
            there = row if room else row.other()
            rows |= {row} if room else set()
        placed[there] = placed.get(there, Counts()).plus(counts)
    return placed


def repairs(logged: Sequence[UsageRow], written: Sequence[UsageRow]) -> list[Repair]:
    """Return what to add to the rows of one tenant and one day.

    Which row a name has depends on who came first, so what is missing is counted by model, and given to the rows
    of that model that have less than the log says; together exactly what is missing.
    """
    there = {row.name: row for row in written}
    found: list[Repair] = []
    for model in sorted({row.name.model for row in logged}):
        ours = [row for row in logged if row.name.model == model]
        missing = total(row.counts for row in ours).without(_of_model(written, model))
        for row in sorted(ours, key=lambda one: one.name.sort_key()):
            has = there[row.name].counts if row.name in there else Counts()
            share = missing.without(missing.without(row.counts.without(has)))  # the less of both
            if share != Counts():
                missing = missing.without(share)
                found.append(_repair(row.name, share, there))
    return _merged(found)


def _repair(row: RowName, counts: Counts, there: Mapping[RowName, UsageRow]) -> Repair:
    target = row if row in there or len(there) < MOST_ROWS else row.other()
    return Repair(target, counts, there[target].repairs if target in there else 0)


def _merged(found: Sequence[Repair]) -> list[Repair]:
    """Return one repair for each row: a second one of the same row would be refused."""
    by_row: dict[RowName, Repair] = {}
    for one in found:
        before = by_row.get(one.row)
        by_row[one.row] = one if before is None else Repair(one.row, before.counts.plus(one.counts), one.seen)
    return list(by_row.values())


def _of_model(rows: Sequence[UsageRow], model: str) -> Counts:
    return total(row.counts for row in rows if row.name.model == model)
