"""Which hits are embedded again, and what does the answer say of the entry?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.route import Target
from embedge.core.space_check import LEAST_COSINE, cosine
from embedge.core.vector_codec import FloatVector

ONE_IN = 1_000

Finding: TypeAlias = Literal["same", "other", "models_differ"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often hits are embedded again, and what a request may wait for that.

    `one_in` so many hits, but not within `least_s_between` of the last one in this process. One question to a model has
    `longest_s`. Where the check `lives_on`, nobody waits for it; else it is over before the answer is given, because
    the process may stand still from then on.
    """

    one_in: int
    least_s_between: float
    longest_s: float
    lives_on: bool


# The function's process is frozen once it has answered. So one request a minute at most waits, for half a second.
FREEZING = Pace(ONE_IN, least_s_between=60, longest_s=0.5, lives_on=False)
STEADY = Pace(ONE_IN, least_s_between=1, longest_s=10, lives_on=True)


class Sampler:
    """Draws one of so many hits, wherever they come; what it costs does not depend on how many there are."""

    def __init__(self, one_in: int, random: Callable[[], float]) -> None:
        """Take how many hits there are for each that is drawn, and a source of numbers from 0 up to 1."""
        self._one_in = one_in
        self._random = random
        # Drawn at the first hit: all processes that start from one snapshot would else begin with the same.
        self._left = 0

    def pick(self, hits: int) -> int | None:
        """Return the place of one of these hits, or mostly None; of those of one request, one at most."""
        self._left = self._left or self._gap()
        if hits < self._left:
            self._left -= hits
            return None
        place, self._left = self._left - 1, self._gap()
        return place

    def _gap(self) -> int:
        """Return how many hits there are up to the next that is drawn: each is, with the same probability."""
        if self._one_in <= 1:
            return 1
        return 1 + int(math.log(1 - self._random()) / math.log(1 - 1 / self._one_in))


def asked(targets: tuple[Target, ...], drawn: float) -> tuple[Target, Target]:
    """Return whom to ask, any of them, and whom where that differs from the entry: another, if there is one."""
    first = int(drawn * len(targets))
    return targets[first], targets[(first + 1) % len(targets)]


def agree(one: FloatVector, other: FloatVector) -> bool:
    """Tell whether two vectors are one text's, but for rounding."""
    return one.shape == other.shape and cosine(one, other) >= LEAST_COSINE


def finding(kept: FloatVector, first: FloatVector, second: FloatVector) -> Finding:
    """Say what two answers for the text of an entry make of it: it is wrong only where they agree with each other."""
    if agree(kept, first) or agree(kept, second):
        return "same"
    return "other" if agree(first, second) else "models_differ"
