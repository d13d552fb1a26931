"""How can a test wait a minute in no time? An event loop whose clock jumps to whatever happens next."""

from __future__ import annotations

import asyncio
import selectors
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_Result = TypeVar("_Result")
_Given = ParamSpec("_Given")


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock moves on by that much."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits for another: nothing will ever happen"
            self.now_s += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop that takes no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.now_s


def simulate(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to the end, on a clock that jumps."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)


def simulated(test: Callable[_Given, Coroutine[Any, Any, None]]) -> Callable[_Given, None]:
    """Make a test run on a clock that jumps."""

    @wraps(test)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        simulate(test(*args, **kwargs))

    return run
