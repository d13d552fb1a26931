"""What did whom cost, and what did the cache save? One row for each day, model, bot and project of a tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import NamedTuple
from urllib.parse import quote, unquote

from embedge.core.conditional_update import Assign, AttributeOr
from embedge.core.request import Observation

PARTITION = "USAGE#"
MOST_ROWS = 200  # of a tenant and a day
# In the place of a bot and a project: all those that have no row of their own. No name is written like this.
OTHER = "*"
_PARTS = 4
REPAIRS = "rp"
# DynamoDB's limit on a sort key.
_LONGEST_SORT_KEY_BYTES = 1024


# These two are tuples because each request makes some, looks them up and adds them up: a frozen class takes five times
# as long to fill.
class RowName(NamedTuple):
    """Whose a row is. `day` is UTC's, as ISO 8601 has it; `bot` and `project` are encoded."""

    tenant: str
    day: str
    model: str
    bot: str
    project: str

    def partition(self) -> str:
        """Return the item's partition."""
        return f"{PARTITION}{self.tenant}"

    def sort_key(self) -> str:
        """Return the item's sort key; what a caller may choose cannot forge another one's."""
        return "#".join((self.day, quote(self.model, safe=""), self.bot, self.project))

    def other(self) -> "RowName":
        """Return the row of all that have none of their own."""
        return RowName(self.tenant, self.day, self.model, OTHER, OTHER)


class Counts(NamedTuple):
    """What is added up; each is an attribute of the item, under its name."""

    requests: int = 0
    inputs: int = 0
    hits: int = 0
    misses: int = 0
    served: int = 0  # tokens
    billed: int = 0  # tokens
    cost: int = 0  # nano-dollars, as all that follow
    saved: int = 0
    spent: int = 0  # on the cache itself

    def plus(self, other: "Counts") -> "Counts":
        """Return both together."""
        return Counts(*map(add, self, other))

    def without(self, other: "Counts") -> "Counts":
        """Return what is left of these, nothing where the other has more."""
        return Counts(*(max(0, mine - theirs) for mine, theirs in zip(self, other, strict=True)))

    def net(self) -> int:
        """Return what the cache saved beyond what it cost; negative where it cost more."""
        return self.saved - self.spent

    def hit_rate(self) -> float:
        """Return which part of what was looked up was found, 0 to 1."""
        looked_up = self.hits + self.misses
        return self.hits / looked_up if looked_up else 0.0

    def added(self) -> tuple[Assign, ...]:
        """Return what adds them to an item, which may lack any of them."""
        changes = zip(_BEFORE, self, strict=True)
        return tuple(Assign(before.name, before, change) for before, change in changes if change)


_BEFORE = tuple(AttributeOr(name, 0) for name in Counts._fields)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row as it is kept."""

    name: RowName
    counts: Counts
    repairs: int = 0  # how often what was missing was added


def row_of(seen: Observation, day: str) -> RowName:
    """Return which row a request of that day belongs to."""
    return _row(seen.tenant, day, seen.model, seen.bot, seen.project)


def counts_of(seen: Observation) -> Counts:
    """Return what a request adds."""
    return Counts(
        requests=1,
        inputs=seen.inputs,
        hits=seen.hits,
        misses=seen.misses,
        served=seen.tokens_served,
        billed=seen.tokens_billed,
        cost=seen.cost_nano_usd,
        saved=seen.saved_nano_usd,
        spent=seen.cache_spent_nano_usd,
    )


@lru_cache(maxsize=1024)  # most requests of a process are of few rows, and encoding takes longer than looking up
def _row(tenant: str, day: str, model: str, bot: str, project: str) -> RowName:
    name = RowName(tenant, day, model, quote(bot, safe=""), quote(project, safe=""))
    return name if len(name.sort_key()) <= _LONGEST_SORT_KEY_BYTES else name.other()


def read_row(partition: str, sort_key: str, item: Mapping[str, int]) -> UsageRow | None:
    """Read an item; None where it is not a row but says how many there are."""
    parts = sort_key.split("#")
    if len(parts) != _PARTS or not partition.startswith(PARTITION):
        return None
    day, model, bot, project = parts
    counts = Counts(*(item.get(name, 0) for name in Counts._fields))
    row = RowName(partition.removeprefix(PARTITION), day, unquote(model), bot, project)
    return UsageRow(row, counts, item.get(REPAIRS, 0))
