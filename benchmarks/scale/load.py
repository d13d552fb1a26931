"""What is a Region asked, and what came of it?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.scale.dynamodb import Heat, Model
from embedge.core.conditional_update import Item
from embedge.core.lease import DEFAULT_LEASE_TERMS, LeaseTerms
from embedge.core.request import NO_LIMIT, Limits

TENANT = "big"
MEAN_TOKENS = 200
NANO_USD_PER_TOKEN = 20  # text-embedding-3-small
REQUEST_NANO_USD = MEAN_TOKENS * NANO_USD_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Load:
    """What one Region is asked by one tenant. What is held for a request is `bound` times what it comes to.

    All processes start within the first `starting_s`; they live for `life_s` on average, and all at once are replaced
    at `replaced_s`. `rows` is how many bots ask.
    """

    title: str
    limits: Limits
    instances: int = 3_333
    requests_per_s: float = 33_333
    seconds: float = 60
    hit_rate: float = 0.9
    bound: float = 1.0
    starting_s: float = 0.0
    life_s: float = float("inf")
    replaced_s: float = float("inf")
    frozen: float = 0.0  # the chance of a process, in each second, to stand still for up to 20 seconds
    rows: int = 1
    routes: int = 10
    reconcile_s: float = 3_600
    lease_terms: LeaseTerms = DEFAULT_LEASE_TERMS
    seed: int = 0
    model: Model = field(default_factory=Model)

    def shrunk(self, instances: int) -> "Load":
        """Return the same in small: so many instances, with their part of requests, limits, and of what a key takes."""
        part, limits = instances / self.instances, self.limits
        return replace(
            self,
            instances=instances,
            requests_per_s=self.requests_per_s * part,
            limits=replace(
                limits,
                requests_per_minute=_part(limits.requests_per_minute, part),
                tokens_per_minute=_part(limits.tokens_per_minute, part),
                day_nano_usd=_part(limits.day_nano_usd, part),
            ),
            model=replace(self.model, scale=self.model.scale * part),
        )


def _part(limit: int, part: float) -> int:
    return limit if limit >= NO_LIMIT else int(limit * part)


@dataclass(slots=True)
class Seen:
    """What came of it. Money in nano-dollars; `by_second` has each of the counts by the second that it was in."""

    counts: Counter[str] = field(default_factory=Counter[str])
    by_second: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    delays_s: list[float] = field(default_factory=list[float])
    stranded: list[int] = field(default_factory=list[int])
    leased: list[int] = field(default_factory=list[int])
    lost_to_leases: list[int] = field(default_factory=list[int])
    billed: int = 0
    most_over_admitted: float = 0.0

    def count(self, what: str, now_s: float) -> None:
        """Count one."""
        self.counts[what] += 1
        self.by_second.setdefault(what, Counter())[int(now_s)] += 1


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a load: what was counted, the heat of each key, and the balance when all was closed."""

    load: Load
    seen: Seen
    writes: Mapping[str, Heat]
    reads: Mapping[str, Heat]
    balance: Item

    def left(self) -> int:
        """Return what of the day's budget could still be taken at the end."""
        return self.balance["da"]

    def written_off(self) -> int:
        """Return what was charged, and neither billed nor given back by anybody."""
        return self.load.limits.day_nano_usd - self.left() - self.seen.billed

    def share(self, what: str, first_s: float = 0) -> float:
        """Return the part of the paid requests, from then on, that came to this."""
        ends = {one: self._since(one, first_s) for one in ("paid", "unavailable", "spent", "token limited")}
        return ends[what] / max(1, sum(ends.values()))

    def _since(self, what: str, first_s: float) -> int:
        return sum(
            count for second, count in self.seen.by_second.get(what, Counter[int]()).items() if second >= first_s
        )
