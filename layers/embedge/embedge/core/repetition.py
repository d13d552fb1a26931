"""How often do the inputs of one tenant and route come again? Counters that forget, and what they lead one to expect.

Texts of a kind are alike in length, so each size (by powers of two) has counters of its own; where they say little yet,
those of all sizes speak for them, and before those a guess.
"""

from dataclasses import dataclass, field

from embedge.core.admission_economics import Prospects
from embedge.core.sightings import MOST_COUNTED

# The guess: of the keys of a route that nobody knows, three in ten come again, and of those that did, two in three come
# once more. So a new route's long texts are written at once, its short ones are waited for, and a few dozen sightings
# say more than that.
_GUESSED_AGAIN, _GUESSED_ONCE_MORE = 0.3, 2 / 3
_GUESSED_FOUND = 0.5
_GUESS_COUNTS_FOR = 24
_OTHER_SIZES_COUNT_FOR = 24
_MOST_SIGHTINGS = 4096  # of a size: then all its numbers are halved
_MOST_TRIALS = 1024
_LARGEST_ELSEWHERE = 0.95
_SIZES = 20


def _guess() -> list[float]:
    sightings = [1.0, *(_GUESSED_AGAIN * _GUESSED_ONCE_MORE**times for times in range(MOST_COUNTED))]
    sightings[-1] /= 1 - _GUESSED_ONCE_MORE  # the last stands for all that come after it
    return [_GUESS_COUNTS_FOR * share for share in sightings]


@dataclass(slots=True)
class _Share:
    """How many of so many trials came out well, the newer ones counting for more."""

    good: float = 0.0
    trials: float = 0.0

    def add(self, *, good: bool) -> None:
        self.good += good
        self.trials += 1
        if self.trials >= _MOST_TRIALS:
            self.good /= 2
            self.trials /= 2

    def after(self, guess: float) -> float:
        """Return the share, with a guess for what is not known yet."""
        return (self.good + guess * _GUESS_COUNTS_FOR) / (self.trials + _GUESS_COUNTS_FOR)


@dataclass(slots=True)
class _Counts:
    """How many sightings were of keys that had come so often before."""

    by_count: list[float]
    added: int = 0

    def add(self, before: int) -> None:
        self.by_count[before] += 1
        self.added += 1
        if self.added == _MOST_SIGHTINGS:
            self.by_count = [count / 2 for count in self.by_count]
            self.added //= 2


@dataclass(slots=True)
class Repetition:
    """What was seen of one tenant's inputs on one route."""

    _all: _Counts = field(default_factory=lambda: _Counts(_guess()))
    _by_size: list[_Counts] = field(
        default_factory=lambda: [_Counts([0.0] * (MOST_COUNTED + 1)) for _ in range(_SIZES)]
    )
    _found: _Share = field(default_factory=_Share)
    _elsewhere: _Share = field(default_factory=_Share)

    def saw(self, tokens: int, before: int) -> None:
        """Count a key that was seen so many times before."""
        self._all.add(before)
        self._by_size[_size(tokens)].add(before)

    def looked(self, *, found: bool, explored: bool) -> None:
        """Count a lookup of a key that this process had not written; `explored` ones are written wherever they come."""
        self._found.add(good=found)
        if explored:
            self._elsewhere.add(good=found)

    def prospects(self, tokens: int) -> Prospects:
        """Return what to expect of an input of this size."""
        alike, others = self._by_size[_size(tokens)].by_count, self._all.by_count
        weight = _OTHER_SIZES_COUNT_FOR / others[0]
        return Prospects(
            sightings=tuple(own + weight * other for own, other in zip(alike, others, strict=True)),
            elsewhere=min(_LARGEST_ELSEWHERE, self._elsewhere.after(0.0)),
            found=self._found.after(_GUESSED_FOUND),
        )


def _size(tokens: int) -> int:
    return min(_SIZES - 1, tokens.bit_length())
