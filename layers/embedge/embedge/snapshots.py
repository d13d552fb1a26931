"""What may a snapshot of a process hold? Code that is loaded, and nothing of which there may be only one.

With SnapStart every process is a clone of one that was prepared once. Money in a purse would be spent by each of them,
and tokens, routes and keys that are remembered, breakers, counters, connections and the state of `random` would be the
same in all. So what serves is ended before the snapshot is taken, and made anew by each process that wakes from it.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

import gc
import random
import weakref
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Generic, Protocol, TypeVar, cast

_T = TypeVar("_T")


class Hooks(Protocol):
    """Those of Lambda's runtime, the module `snapshot_restore_py`."""

    def register_before_snapshot(self, function: Callable[[], None]) -> object:
        """Call this before a snapshot is taken."""
        ...

    def register_after_restore(self, function: Callable[[], None]) -> object:
        """Call this in each process that wakes from one."""
        ...


def runtime_hooks() -> Hooks:
    """Return those of Lambda's runtime, where this process is one that snapshots are taken of."""
    return cast("Hooks", import_module("snapshot_restore_py"))


class BornAnew(Generic[_T]):
    """What serves in this process: made now, and again after a snapshot."""

    def __init__(self, make: Callable[[], _T], end: Callable[[_T], Iterable[object]], hooks: Hooks | None) -> None:
        """Take how it is made, how it is ended, and who calls: nobody, where there are no snapshots.

        `end` returns what of it must be gone then; it itself must be, too.
        """
        self._make = make
        self._end = end
        self._it: _T | None = make()
        if hooks is not None:
            hooks.register_before_snapshot(self._before_snapshot)
            hooks.register_after_restore(self._after_restore)

    def now(self) -> _T:
        """Return it. Raises: RuntimeError between a snapshot and the waking from it, when nothing is served."""
        if self._it is None:
            raise RuntimeError("Nothing serves while a snapshot is taken.")
        return self._it

    def _before_snapshot(self) -> None:
        ended, self._it = self.now(), None
        left = [weakref.ref(one) for one in (*self._end(ended), ended)]
        del ended
        gc.collect()
        if any(one() is not None for one in left):  # an error here stops the version from being published
            raise RuntimeError("Something still holds what served, and each clone would have it.")

    def _after_restore(self) -> None:
        random.seed()
        self._it = self._make()
