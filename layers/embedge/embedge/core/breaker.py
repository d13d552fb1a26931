"""Is it worth asking at all? A breaker: closed, open, or half open while one call probes; pure.

`now_s` is any clock that only moves forward, `random` a number from 0 to 1.
"""

from collections import deque
from typing import Literal, TypeAlias

# What a call says of whom it asked: of a target, a 429, a cold start or the caller's own mistake says neither.
Health: TypeAlias = Literal["good", "bad", "neither"]

FAILURES_IN_A_ROW = 5
# Or half of the last twenty, for a target that fails now and then without ever failing five times running.
WINDOW = 20
FAILURES_IN_WINDOW = 10
FIRST_OPEN_S = 1.0
LONGEST_OPEN_S = 30.0
# So that processes that opened together do not probe together.
JITTER = 0.25
# What is left of a probe's time is not known.
PROBING_S = 1.0


class Breaker:
    """The breaker of one target, or of anything else that may fail."""

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._in_a_row = 0
        self._openings = 0
        self._probe_at_s: float | None = None
        self._probing = False
        self._era = 0

    def wait_s(self, now_s: float) -> float:
        """Return how long no call may be sent; 0 where one may be sent now."""
        if self._probe_at_s is None:
            return 0.0
        return PROBING_S if self._probing else max(0.0, self._probe_at_s - now_s)

    def enter(self) -> int:
        """Count a call that is sent, where one may be; return what it leaves with. After an opening it is the probe."""
        if self._probe_at_s is not None:
            self._probing = True
            self._era += 1
        return self._era

    def leave(self, era: int, health: Health, now_s: float, random: float) -> bool:
        """Count what a call has said of the target; return whether that opened the breaker."""
        if era != self._era:
            return False  # sent before the breaker opened or closed: it speaks of a time that is over
        was_probe, self._probing = self._probing, False
        if health == "neither":
            return False
        if health == "good":
            self._count_good(closes=was_probe)
            return False
        self._recent.append(True)
        self._in_a_row += 1
        broken = self._in_a_row >= FAILURES_IN_A_ROW or sum(self._recent) >= FAILURES_IN_WINDOW
        if was_probe or broken:
            self._open(now_s, random)
        return was_probe or broken

    def _count_good(self, *, closes: bool) -> None:
        self._in_a_row = 0
        self._recent.append(False)
        if closes:
            self._recent.clear()
            self._openings = 0
            self._probe_at_s = None
            self._era += 1

    def _open(self, now_s: float, random: float) -> None:
        open_s = min(LONGEST_OPEN_S, FIRST_OPEN_S * 2**self._openings)
        self._probe_at_s = now_s + open_s * (1 - JITTER * random)
        self._openings = min(self._openings + 1, 10)  # beyond, it is the longest anyway
        self._era += 1
