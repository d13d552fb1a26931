"""How do hours pass in seconds? An event loop that never waits: where nothing is left to do now, its clock moves on."""

import asyncio
import selectors
from collections.abc import Mapping

from typing_extensions import override

EPOCH_S = 1_800_000_000.0  # 2027-01-15, 08:00 UTC: no border of a day for the next 16 hours


class _NoWaiting(selectors.SelectSelector):
    """Tells of no file, and takes what it should have waited as having passed."""

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self.now_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Everything waits for something that will never come.")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. What is still under way when it ends was of processes that are gone: nobody hears of that."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._passing = _NoWaiting()
        super().__init__(self._passing)
        self.set_exception_handler(_say_what_is_an_error)

    @override
    def time(self) -> float:
        return self._passing.now_s


class VirtualClock:
    """The Clock port on such a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ahead_s: float = 0.0) -> None:
        """Take the loop, and by how much this clock is ahead of it."""
        self._loop = loop
        self._ahead_s = EPOCH_S + ahead_s

    def now_s(self) -> float:
        """Return the time, seconds since 1970."""
        return self._ahead_s + self._loop.time()


class Dead(BaseException):
    """The process that this was of is gone: it does nothing any more, not even give back what it holds."""


def _say_what_is_an_error(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    if not isinstance(context.get("exception"), Dead | BaseExceptionGroup | None):
        loop.default_exception_handler(dict(context))
