"""What do the clones of a process share? Its code, and nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from embedge.snapshots import BornAnew

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class FakeRuntime:
    """Lambda's runtime: it takes a snapshot, and wakes processes from it."""

    before: list[Callable[[], None]] = field(default_factory=list["Callable[[], None]"])
    after: list[Callable[[], None]] = field(default_factory=list["Callable[[], None]"])

    def register_before_snapshot(self, function: Callable[[], None]) -> None:
        self.before.append(function)

    def register_after_restore(self, function: Callable[[], None]) -> None:
        self.after.append(function)

    def snapshot(self) -> None:
        for hook in reversed(self.before):
            hook()

    def restore(self) -> None:
        for hook in self.after:
            hook()


class Purse:
    """What there may be only one of."""

    def __init__(self) -> None:
        self.money = 7
        self.ended = False

    def end(self) -> tuple[()]:
        self.money = 0
        self.ended = True
        return ()


def test_what_serves_is_ended_before_the_snapshot_and_made_anew_after_it() -> None:
    runtime, money = FakeRuntime(), list[int]()

    def end(purse: Purse) -> tuple[()]:
        purse.end()
        money.append(purse.money)
        return ()

    served = BornAnew(Purse, end, runtime)
    runtime.snapshot()
    assert money == [0]
    with pytest.raises(RuntimeError, match="Nothing serves"):
        served.now()
    runtime.restore()
    assert (served.now().money, served.now().ended) == (7, False)


def test_no_version_is_published_that_would_clone_what_serves() -> None:
    runtime = FakeRuntime()
    served = BornAnew(Purse, Purse.end, runtime)
    held = served.now()
    with pytest.raises(RuntimeError, match="still holds"):
        runtime.snapshot()
    assert held.ended


def test_nor_one_that_would_clone_a_part_of_it() -> None:
    runtime, part = FakeRuntime(), Purse()
    BornAnew(Purse, lambda _: (part,), runtime)
    with pytest.raises(RuntimeError, match="still holds"):
        runtime.snapshot()


def test_clones_do_not_roll_the_same_dice() -> None:
    runtime = FakeRuntime()
    served = BornAnew(Purse, Purse.end, runtime)
    runtime.snapshot()
    state, rolled = random.getstate(), set[float]()
    for _ in range(3):
        random.setstate(state)
        runtime.restore()
        rolled.add(random.random())
    assert len(rolled) == 3
    assert served.now()


def test_where_there_are_no_snapshots_it_is_made_once() -> None:
    served = BornAnew(Purse, Purse.end, None)
    assert served.now() is served.now()
