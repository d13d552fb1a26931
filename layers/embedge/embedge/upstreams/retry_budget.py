"""May a target be sent more than it is asked for? A bucket of permissions that first calls fill; pure.

When a target is in trouble every call to it is repeated, just when it can bear that least. So a repetition needs a
permission, and permissions come from calls that were sent for the first time: in the long run a target gets at most a
fifth more than it is asked for, whatever goes wrong.
"""

FULL = 10
# Five first calls earn one permission; counted in whole calls, because a fifth is not a number that floats have.
CALLS_PER_PERMISSION = 5


class RetryBudget:
    """The permissions of one target. It starts full, so that a process that has just begun can repeat."""

    def __init__(self) -> None:
        self._calls = FULL * CALLS_PER_PERMISSION

    def earn(self) -> None:
        """Count a call that is sent for the first time."""
        self._calls = min(FULL * CALLS_PER_PERMISSION, self._calls + 1)

    def allows(self) -> bool:
        """Tell whether a call may be sent once more."""
        return self._calls >= CALLS_PER_PERMISSION

    def spend(self) -> None:
        """Count a call that is sent once more. Only where that is allowed."""
        self._calls -= CALLS_PER_PERMISSION
