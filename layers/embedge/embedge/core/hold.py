"""What is left of a hold? The bookkeeping of one request's money, in nano-dollars; pure, though it remembers."""

from typing import Literal


class PaidAttempt:
    """One call: set aside at its bound while it is under way, and its worst case if nobody ever learns its outcome."""

    def __init__(self, bound: int, worst: int) -> None:
        """Take the most that the call may cost, and what counts if its outcome stays unknown."""
        self._bound = bound
        self._worst = worst
        self._state: Literal["under way", "ended"] = "under way"

    def billed(self, nano_usd: int) -> None:
        """Say what the call cost."""
        self._state, self._worst = "ended", nano_usd

    def unbilled(self) -> None:
        """Say that the call is known to have cost nothing."""
        self.billed(0)

    def unknown(self) -> None:
        """Say that the call has ended, and that nobody knows what it cost: its worst case counts."""
        self.billed(self._worst)

    def set_aside(self) -> int:
        """Return what must not be spent on another call now."""
        return self._bound if self._state == "under way" else self._worst

    def cost(self) -> int:
        """Return what the call counts for if the hold ends now."""
        return self._worst


class HoldAccount:
    """What was taken, and the attempts that it pays."""

    def __init__(self, taken: int) -> None:
        """Start with what was taken from the ledger."""
        self.taken = taken
        self._attempts: list[PaidAttempt] = []

    def missing_for(self, bound: int) -> int:
        """Return how much more must be taken before a call that may cost `bound` can be sent."""
        return max(0, bound - self.taken + sum(attempt.set_aside() for attempt in self._attempts))

    def start(self, bound: int, worst: int) -> PaidAttempt:
        """Set `bound` aside for a call. What it does not use is free for the next one once it has ended."""
        attempt = PaidAttempt(bound, worst)
        self._attempts.append(attempt)
        return attempt

    def billed(self) -> int:
        """Return what all attempts came to."""
        return sum(attempt.cost() for attempt in self._attempts)
