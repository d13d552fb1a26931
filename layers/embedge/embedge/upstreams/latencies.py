"""When has a call taken longer than most? The answers' times of one target; pure, though it remembers."""

import math
from collections import deque

REMEMBERED = 100
# Of fewer the slowest of twenty would be a guess.
NEEDED = 20
MOST = 0.95


class Latencies:
    """How long the last answers took."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """Count an answer, or a call that was cut off and took at least so long."""
        self._seconds.append(seconds)

    def most_s(self) -> float | None:
        """Return what 95 of 100 answers took at most; None while too few are known."""
        if len(self._seconds) < NEEDED:
            return None
        return sorted(self._seconds)[math.ceil(MOST * len(self._seconds)) - 1]
