"""Is a purge heard of soon, and never forgotten?"""

from __future__ import annotations

import pytest

from embedge.adapters.purges_control import ControlPurges
from embedge.core.generations import NOTHING_PURGED
from embedge.errors import ServiceUnavailable
from tests.fakes import FakeClock, FakeControlTable

_SPACE = bytes(32)


class Asked:
    """What was purged, as a process sees it."""

    def __init__(self) -> None:
        self.clock, self.control, self.faults = FakeClock(), FakeControlTable(), list[str]()
        self.purges = ControlPurges(self.control, self.clock, self.faults.append)

    def purged(self, generation: str) -> None:
        self.control.documents["GENERATIONS", "everything"] = generation

    async def generation(self) -> int:
        return (await self.purges.current()).of("acme", _SPACE)


async def test_a_purge_is_heard_of_within_fifteen_seconds_and_nobody_asks_sooner() -> None:
    asked = Asked()
    assert await asked.generation() == 0
    asked.purged("1")
    asked.clock.pass_time(15)
    assert (await asked.generation(), asked.control.calls) == (0, 1)
    asked.clock.pass_time(0.1)
    assert (await asked.generation(), asked.control.calls) == (1, 2)


async def test_what_was_purged_stays_so_while_control_is_out_of_reach() -> None:
    asked = Asked()
    asked.purged("7")
    assert await asked.generation() == 7
    asked.control.down = True
    asked.clock.pass_time(86_400)
    assert await asked.generation() == 7
    asked.clock.pass_time(1)
    with pytest.raises(ServiceUnavailable):
        await asked.generation()


async def test_nothing_is_served_before_it_is_known_what_was_purged() -> None:
    asked = Asked()
    asked.control.down = True
    with pytest.raises(ServiceUnavailable):
        await asked.generation()


@pytest.mark.parametrize("damaged", ["", "-1", "x", "{}", "9" * 100, "\u0661"])
async def test_a_generation_that_cannot_be_read_finds_nothing_and_is_counted(damaged: str) -> None:
    asked = Asked()
    asked.purged(damaged)
    assert await asked.generation() > 2**60
    assert asked.faults == ["generation_unreadable"]
    assert NOTHING_PURGED.of("acme", _SPACE) == 0
