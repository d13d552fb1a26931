"""May this much more happen within a minute? The generic cell rate algorithm, as two conditional updates and no read.

One attribute holds the theoretical arrival time in microseconds; it only grows. The idle form goes first, then the
busy form without a lower bound: at most two writes settle it, whatever happens in between.
"""

from dataclasses import dataclass

from embedge.core.conditional_update import AbsentOr, Assign, Attribute, Compare, ConditionalUpdate, Item, NewItem

MINUTE_US = 60_000_000
_ATTRIBUTE = "t"
# No item is new and has the attribute.
_NEVER = (NewItem(), Compare(_ATTRIBUTE, ">=", 0))


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a limit after a decision, for the headers."""

    kind: str
    limit: int
    remaining: int
    reset_us: int


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` units a minute, of which a whole minute's worth may come at once."""

    kind: str
    per_minute: int

    def increment_us(self, units: int) -> int:
        """Return how far `units` push the arrival time, in microseconds, rounded up."""
        return -(-units * MINUTE_US // self.per_minute)

    def wait_us(self, item: Item | None, units: int, now_us: int) -> int:
        """Return how long `units` have to wait by what `item` says; 0 where they need not."""
        arrival = (item or {}).get(_ATTRIBUTE, 0)
        return max(0, arrival + self.increment_us(units) - now_us - MINUTE_US) if arrival >= now_us else 0

    def fits(self, units: int) -> bool:
        """Tell whether `units` could ever be admitted at once."""
        return self.increment_us(units) <= MINUTE_US

    def step(self, item: Item | None, units: int, now_us: int) -> ConditionalUpdate:
        """Return the update to try, given the item last seen: busy where that was busy, else idle."""
        increment = self.increment_us(units)
        if (item or {}).get(_ATTRIBUTE, 0) >= now_us:
            busy = Assign(_ATTRIBUTE, Attribute(_ATTRIBUTE), increment)
            return ConditionalUpdate((busy,), (Compare(_ATTRIBUTE, "<=", now_us + MINUTE_US - increment),))
        idle = Assign(_ATTRIBUTE, now_us + increment)
        if not self.fits(units):  # an idle limiter, too, admits a minute's worth and no more
            return ConditionalUpdate((idle,), _NEVER)
        return ConditionalUpdate((idle,), (AbsentOr(Compare(_ATTRIBUTE, "<", now_us)),))

    def state(self, item: Item | None, now_us: int) -> RateState:
        """Return what is left by what `item` says."""
        ahead = max(0, (item or {}).get(_ATTRIBUTE, 0) - now_us)
        remaining = max(0, (MINUTE_US - ahead) * self.per_minute // MINUTE_US)
        return RateState(self.kind, self.per_minute, remaining, ahead)
