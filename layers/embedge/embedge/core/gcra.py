"""May this much more happen within a minute? The generic cell rate algorithm, as conditional updates and no read.

An attribute holds a theoretical arrival time in microseconds, which only grows: `g` that of what is guaranteed, `c`
that of all there is room for. What is guaranteed needs `g` and moves both; what goes beyond needs `c`, and moves that
alone. The idle form goes first, then the busy form without a lower bound: each refusal shows one of the attributes to
be busy that seemed idle, or a tier to be full, so one write for each attribute and each tier settles it at the latest.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from embedge.core.conditional_update import AbsentOr, Assign, Attribute, Compare, ConditionalUpdate, Item, NewItem

Tier: TypeAlias = Literal["default", "over-limit", "flex"]
MINUTE_US = 60_000_000


class RateState(NamedTuple):
    """What is left of a limit after a decision, for the headers."""

    kind: str
    limit: int
    remaining: int
    reset_us: int


@dataclass(frozen=True, slots=True)
class Want:
    """So many units, now by the asker's own clock. With `ahead_us` they may be used for as long, and are charged so.

    The law of taking ahead: units count from the moment until which they may be used, so whenever they are used no
    window has more than its rate. They are taken from the first half of a minute's worth only.
    """

    units: int
    now_us: int
    tier: Tier = "default"
    ahead_us: int = 0

    def start_us(self) -> int:
        """Return when the units count from."""
        return self.now_us + self.ahead_us

    def latest_us(self) -> int:
        """Return up to when they may push the arrival time."""
        half = self.tier == "flex" or self.ahead_us > 0
        return self.now_us + (MINUTE_US // 2 if half else MINUTE_US)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` units a minute are guaranteed, of which a whole minute's worth may come at once.

    `over_percent` of them more may come while there is room; `suffix` tells the attributes of several rates apart.
    """

    kind: str
    per_minute: int
    over_percent: int = 0
    suffix: str = ""

    def increment_us(self, units: int) -> int:
        """Return how far `units` push the arrival time of what is guaranteed, in microseconds, rounded up."""
        return -(-units * MINUTE_US // self.per_minute)

    def wait_us(self, item: Item | None, want: Want) -> int:
        """Return how long the units have to wait by what `item` says; 0 where they need not."""
        attribute, increment = self._needed(want)
        arrival = (item or {}).get(attribute, 0)
        return max(0, arrival + increment - want.latest_us()) if arrival >= want.start_us() else 0

    def fits(self, want: Want) -> bool:
        """Tell whether the units could ever be admitted at once."""
        _, increment = self._needed(want)
        return want.start_us() + increment <= want.latest_us()

    def step(self, item: Item | None, want: Want) -> ConditionalUpdate:
        """Return the update to try, given the item last seen: each attribute busy where that was busy, else idle."""
        update = _moved(self._needed(want), item, want, want.latest_us())
        if not self.fits(want):  # an idle limiter, too, admits what it may at once and no more
            return ConditionalUpdate(update.assignments, (NewItem(), Compare(self._needed(want)[0], ">=", 0)))
        if want.tier == "default":
            beside = _moved(self._all(want.units), item, want, None)
            return ConditionalUpdate(update.assignments + beside.assignments, update.conditions + beside.conditions)
        return update

    def state(self, item: Item | None, now_us: int) -> RateState:
        """Return what is left of what is guaranteed, by what `item` says; what was taken ahead counts as used."""
        ahead = max(0, (item or {}).get(f"g{self.suffix}", 0) - now_us)
        remaining = max(0, (MINUTE_US - ahead) * self.per_minute // MINUTE_US)
        return RateState(self.kind, self.per_minute, remaining, ahead)

    def _needed(self, want: Want) -> tuple[str, int]:
        """Return the attribute that decides, and how far the units push it."""
        return (f"g{self.suffix}", self.increment_us(want.units)) if want.tier == "default" else self._all(want.units)

    def _all(self, units: int) -> tuple[str, int]:
        ceiling = self.per_minute * (100 + self.over_percent)
        return f"c{self.suffix}", -(-units * MINUTE_US * 100 // ceiling)


@dataclass(frozen=True, slots=True)
class Rates:
    """All rates of one kind that bind a request, as one decision on one item: the tenant's, and those of its model."""

    rates: tuple[Rate, ...]

    def tier(self, item: Item | None, want: Want, tiers: tuple[Tier, ...]) -> Tier | None:
        """Return the first of the tiers that `item` leaves room in for the units; None where none does."""
        for tier in tiers:
            wish = Want(want.units, want.now_us, tier, want.ahead_us)
            if self.fits(wish) and not self.wait_us(item, wish):
                return tier
        return None

    def soonest_us(self, item: Item | None, want: Want, tiers: tuple[Tier, ...]) -> int | None:
        """Return how long the units have to wait for the first of the tiers that has room; None where none ever has."""
        wishes = (Want(want.units, want.now_us, tier) for tier in tiers)
        return min((self.wait_us(item, wish) for wish in wishes if self.fits(wish)), default=None)

    def wait_us(self, item: Item | None, want: Want) -> int:
        """Return how long the units have to wait for the last of the rates."""
        return max((rate.wait_us(item, want) for rate in self.rates), default=0)

    def fits(self, want: Want) -> bool:
        """Tell whether the units could ever be admitted at once."""
        return all(rate.fits(want) for rate in self.rates)

    def step(self, item: Item | None, want: Want) -> ConditionalUpdate:
        """Return the update to try: all rates or none."""
        steps = [rate.step(item, want) for rate in self.rates]
        return ConditionalUpdate(
            tuple(assignment for step in steps for assignment in step.assignments),
            tuple(dict.fromkeys(condition for step in steps for condition in step.conditions)),
        )

    def state(self, item: Item | None, now_us: int) -> RateState:
        """Return what is left of the tightest."""
        if len(self.rates) == 1:
            return self.rates[0].state(item, now_us)
        return min((rate.state(item, now_us) for rate in self.rates), key=lambda state: state.remaining)

    def most_updates(self) -> int:
        """Return after how many updates it is decided at the latest.

        Each that is refused shows an attribute busy that seemed idle, or the first of two tiers full.
        """
        return 2 + 2 * len(self.rates)


def _moved(pushed: tuple[str, int], item: Item | None, want: Want, latest_us: int | None) -> ConditionalUpdate:
    attribute, increment = pushed
    if (item or {}).get(attribute, 0) >= want.start_us():
        busy = Assign(attribute, Attribute(attribute), increment)
        bound = None if latest_us is None else Compare(attribute, "<=", latest_us - increment)
        # Times only grow, so without a bound this holds wherever the item is still the one that was seen.
        return ConditionalUpdate((busy,), (bound or Compare(attribute, ">=", want.start_us()),))
    idle = Assign(attribute, want.start_us() + increment)
    return ConditionalUpdate((idle,), (AbsentOr(Compare(attribute, "<", want.start_us())),))
