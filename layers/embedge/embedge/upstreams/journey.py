"""Where does a call go next? Each target before any of them again, as long as that can help; pure.

Time and randomness are arguments; what is known of the targets by other calls is read from their states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from embedge.core.route import Target
from embedge.errors import EmbedgeError, UpstreamTimeout, UpstreamUnavailable
from embedge.upstreams.pauses import cold_pause_s, pause_s
from embedge.upstreams.target_states import TargetState
from embedge.upstreams.verdict import Failure

# Tries of one call, whatever its targets; with more targets than that, one at each.
MOST_TRIES = 3
# A server that is starting is asked so often in addition; with their pauses that is longer than any deadline on Lambda.
MOST_COLD = 48


@dataclass(slots=True)
class Leg:
    """One target on the way of one call. `ready_s`: not to be asked again before; `out`: not at all any more.

    `cold`: the last answer was that it is starting; `at_once`: it was just made to load its model; `met`: what came of
    the last call there.
    """

    target: Target
    state: TargetState
    sent: int = 0
    failures: int = 0
    ready_s: float = 0.0
    out: bool = False
    cold: bool = False
    reloaded: bool = False
    at_once: bool = False
    met: EmbedgeError | None = None

    def is_permitted(self) -> bool:
        """Tell whether the call may go there now, as far as the target's retry budget goes.

        The first time is what the target is there for, also when it fails over from another. A server that is
        starting is asked again under a bound of its own, or nobody would be left to ask it when it is up.
        """
        return not self.sent or self.cold or self.state.budget.allows()

    def wait_s(self, now_s: float) -> float:
        """Return how long its breaker keeps every call away."""
        return self.state.breaker.wait_s(now_s)

    def count(self) -> None:
        """Count the call as sent there, against the target's retry budget."""
        if not self.sent:
            self.state.budget.earn()
        elif not self.cold:
            self.state.budget.spend()
        self.sent += 1
        self.cold = self.at_once = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send it to one of these now: they are equals, and the first that has a place is taken."""

    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Decide again at that time."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing helps any more."""

    error: EmbedgeError


Step: TypeAlias = Send | Wait | Stop


class Journey:
    """The way of one call."""

    def __init__(self, legs: Sequence[Leg], deadline_s: float) -> None:
        """Take the targets in the order in which they are to be asked."""
        self._legs = legs
        self._deadline_s = deadline_s
        self._most_tries = max(MOST_TRIES, len(legs))
        self._tries = 0
        self._colds = 0
        self._met: EmbedgeError | None = None

    def next(self, now_s: float) -> Step:
        """Decide. The same until time passes, a target changes, or something is noted here."""
        met = self._met or deadline_passed()
        legs = [leg for leg in self._legs if not leg.out and leg.is_permitted() and self._has_tries_for(leg)]
        if not legs or now_s >= self._deadline_s:
            return Stop(met)
        waits_s = [leg.wait_s(now_s) for leg in legs]
        if all(waits_s):
            return Stop(_nobody_to_ask(min(waits_s)))
        asked = [leg for leg, wait_s in zip(legs, waits_s, strict=True) if not wait_s]
        ready = [leg for leg in asked if leg.ready_s <= now_s]
        if ready:
            turn = min(map(_turn, ready))
            return Send(tuple(leg for leg in ready if _turn(leg) == turn))
        soonest = min(asked, key=_readiness)
        # Where it does not fit, the caller hears of that wait, not of another target that will never serve.
        return Wait(soonest.ready_s) if soonest.ready_s < self._deadline_s else Stop(soonest.met or met)

    def still(self, leg: Leg, now_s: float) -> bool:
        """Tell whether the call is to be sent there now."""
        step = self.next(now_s)
        return isinstance(step, Send) and leg in step.legs

    def has_failed(self) -> bool:
        """Tell whether the call has failed somewhere already."""
        return self._met is not None

    def second(self, first: Leg, now_s: float) -> Leg | None:
        """Return where a call that takes too long may be sent a second time: another target, else the same."""
        if self._tries >= self._most_tries:
            return None
        others = [leg for leg in self._legs if leg is not first and not leg.out and leg.ready_s <= now_s]
        for leg in [*sorted(others, key=_turn), first]:
            if leg.state.budget.allows() and not leg.wait_s(now_s):
                return leg
        return None

    def sent(self, leg: Leg) -> None:
        """Note that the call is sent to a target."""
        leg.count()
        self._tries += 1

    def sent_second(self, leg: Leg) -> None:
        """Note that the call is sent a second time while the first is under way: always from the retry budget."""
        leg.state.budget.spend()
        leg.sent += 1
        self._tries += 1

    def failed(self, leg: Leg, failure: Failure, now_s: float, random: float) -> None:
        """Note what came of it."""
        if failure.again == "uncovered":  # it was not sent: what the last one that was sent met stands
            self._met = self._met or failure.error
            self._end()
            return
        self._met = leg.met = failure.error
        asked_for_s = failure.error.retry_after_s or 0.0
        match failure.again:
            case "here":
                leg.failures += 1
                leg.ready_s = now_s + pause_s(leg.failures, asked_for_s, random)
            case "cold":
                self._tries -= 1
                self._colds += 1
                leg.cold = True
                leg.ready_s = now_s + cold_pause_s(self._colds, asked_for_s, random)
            case "reload" if not leg.reloaded:
                leg.reloaded = leg.at_once = True
            case "nowhere":
                self._end()
            case _:
                leg.out = True

    def _has_tries_for(self, leg: Leg) -> bool:
        """Tell whether the call may be sent there once more, as far as its own bounds go.

        A server that is starting is waited for also when the tries were used up at others.
        """
        return self._colds < MOST_COLD if leg.cold else self._tries < self._most_tries

    def _end(self) -> None:
        for leg in self._legs:
            leg.out = True


def deadline_passed() -> UpstreamTimeout:
    """Say that there is no time left."""
    return UpstreamTimeout(SLOW)


SLOW = "The model's provider did not answer in time. Please try again, with fewer inputs in one request if it lasts."


def _turn(leg: Leg) -> tuple[bool, int, int]:
    """Order targets: one that was just made to load its model, then those that were asked least, by their rank."""
    return not leg.at_once, leg.sent, leg.target.priority


def _readiness(leg: Leg) -> float:
    return leg.ready_s


def _nobody_to_ask(wait_s: float) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "The model's provider has failed several times just now, and is not asked for a moment. Please try again then.",
        retry_after_s=wait_s,
    )
