"""Does a rate hold for all processes together, in any order, at few writes, and by itself where the table is down?"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters import rates_gcra
from embedge.adapters.rates_gcra import GcraRates
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.errors import RequestRateLimited
from tests.adapters.slowly import SlowLedgerTable
from tests.fakes import FakeClock, FakeLedgerTable

if TYPE_CHECKING:
    from embedge.core.gcra import RateState

MINUTE_S = 60


def principal(per_minute: int, tenant: str = "acme") -> Principal:
    return Principal(tenant, frozenset(), (), Limits(per_minute, 1, NO_LIMIT, NO_LIMIT, NO_LIMIT))


class Gate:
    """Some processes before one table, each with what it remembers; `admitted_s` is when somebody was let through,
    `waits_s` how long the others were told to wait.
    """

    def __init__(self, processes: int, seed: int = 0) -> None:
        self.clock = FakeClock()
        self.table = FakeLedgerTable(self.clock)
        slowly = SlowLedgerTable(self.table, lambda: chance.randrange(4))
        self.processes = [GcraRates(slowly, self.clock) for _ in range(processes)]
        self.admitted_s: list[float] = []
        self.waits_s: list[float] = []
        chance = random.Random(seed)

    async def knock(self, who: int, asker: Principal) -> RateState | None:
        """Ask once; None where it was refused."""
        now_s = self.clock.now
        try:
            (state,) = (await self.processes[who].admit(asker)).rates
        except RequestRateLimited as limited:
            self.waits_s.append(limited.retry_after_s or 0)
            return None
        self.admitted_s.append(now_s)
        return state

    def most_in(self, window_s: float) -> int:
        """Return the largest number that was admitted within any such window."""
        return max(
            (sum(first <= time <= first + window_s for time in self.admitted_s) for first in self.admitted_s),
            default=0,
        )


BURSTS = st.lists(
    st.tuples(st.lists(st.integers(0, 3), max_size=40), st.sampled_from([0, 0.1, 1, 7, 30, 61])), max_size=8
)


@settings(deadline=None)
@given(BURSTS, st.integers(1, 30), st.integers(0, 99))
def test_no_window_admits_more_than_a_minutes_worth_and_what_its_time_adds(
    bursts: list[tuple[list[int], float]], per_minute: int, seed: int
) -> None:
    async def run() -> None:
        gate = Gate(4, seed)
        for knocks, passed_s in bursts:
            await asyncio.gather(*(gate.knock(who, principal(per_minute)) for who in knocks))
            gate.clock.pass_time(passed_s)
        assert all(0 < wait_s <= MINUTE_S for wait_s in gate.waits_s)
        for window_s in (0, 0.1, 1, 8, 30, 60, 100, 600):
            assert gate.most_in(window_s) <= per_minute * (1 + window_s / MINUTE_S) + 1e-6

    asyncio.run(run())


@pytest.mark.parametrize("processes", [1, 2, 16])
async def test_a_rate_is_used_to_its_last_request_whoever_asks(processes: int) -> None:
    gate = Gate(processes)
    await asyncio.gather(*(gate.knock(number % processes, principal(100)) for number in range(300)))
    assert len(gate.admitted_s) == 100
    gate.clock.pass_time(MINUTE_S / 2)
    await asyncio.gather(*(gate.knock(number % processes, principal(100)) for number in range(300)))
    assert len(gate.admitted_s) == 150


async def test_tenants_do_not_share_a_rate() -> None:
    gate = Gate(1)
    states = [await gate.knock(0, principal(1, tenant)) for tenant in ("a", "b", "a", "b", "c")]
    assert [state is not None for state in states] == [True, True, False, False, True]


async def test_limits_that_change_are_those_of_the_next_request() -> None:
    gate, asker = Gate(1), principal(60)
    exempt = replace(asker, exempt=True)
    rates = [(await gate.processes[0].admit(one)).rates for one in (asker, exempt, asker, principal(120), exempt)]
    assert [[rate.limit for rate in each] for each in rates] == [[60], [], [60], [120], []]


async def test_an_admission_is_at_most_two_writes_and_one_for_who_knows_that_it_is_busy() -> None:
    gate = Gate(3)
    for who in (0, 1, 2):
        before = len(gate.table.sent)
        assert await gate.knock(who, principal(100))
        assert len(gate.table.sent) - before == (1 if who == 0 else 2)
    for _ in range(20):
        before = len(gate.table.sent)
        assert await gate.knock(0, principal(100))
        assert len(gate.table.sent) - before == 1


async def test_of_too_many_tenants_the_one_that_asked_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates_gcra, "_MOST_REMEMBERED", 2)
    gate = Gate(1)

    async def writes_for(tenant: str) -> int:
        before = len(gate.table.sent)
        assert await gate.knock(0, principal(100, tenant))
        return len(gate.table.sent) - before

    for tenant in ("a", "b", "a", "c"):
        await writes_for(tenant)
    # Who is forgotten is a stranger again, and its first write has to hear how busy it is.
    assert [await writes_for(tenant) for tenant in ("a", "c", "b")] == [1, 1, 2]


@settings(deadline=None)
@given(st.integers(0, 999))
def test_also_in_a_race_an_admission_is_at_most_two_writes(seed: int) -> None:
    async def run() -> None:
        gate = Gate(20, seed)
        await asyncio.gather(*(gate.knock(who, principal(50)) for who in range(20)))
        assert len(gate.admitted_s) == 20
        assert len(gate.table.sent) <= 2 * 20

    asyncio.run(run())


async def test_a_flood_that_is_refused_writes_nothing() -> None:
    gate = Gate(1)
    for _ in range(10):
        assert await gate.knock(0, principal(10))
    before = len(gate.table.sent)
    for _ in range(1000):
        assert await gate.knock(0, principal(10)) is None
    assert len(gate.table.sent) == before


async def test_who_waits_as_long_as_told_is_admitted() -> None:
    gate = Gate(1)
    for _ in range(7):
        await gate.knock(0, principal(7))
    for _ in range(3):
        with pytest.raises(RequestRateLimited) as limited:
            await gate.processes[0].admit(principal(7))
        assert limited.value.retry_after_s is not None
        gate.clock.pass_time(limited.value.retry_after_s + 1e-6)
        assert await gate.knock(0, principal(7))


async def test_the_state_says_what_is_left_and_when_all_of_it_is_back() -> None:
    gate, asker = Gate(2), principal(60)
    for left in range(59, 49, -1):
        state = await gate.knock(left % 2, asker)
        assert state is not None
        assert (state.kind, state.limit, state.remaining) == ("requests", 60, left)
        assert state.reset_us == (60 - left) * 1_000_000
    gate.clock.pass_time(5)
    state = await gate.knock(0, asker)
    assert state is not None
    assert (state.remaining, state.reset_us) == (54, 6_000_000)


@pytest.mark.parametrize(("per_minute", "alone"), [(100, 10), (109, 10), (10, 1), (5, 1), (1, 1)])
async def test_while_the_table_is_down_each_process_admits_a_tenth_and_at_least_one(
    per_minute: int, alone: int
) -> None:
    gate, asker = Gate(2), principal(per_minute)
    gate.table.down = True
    for who in (0, 1):
        states = [await gate.knock(who, asker) for _ in range(alone + 5)]
        assert [state is not None for state in states] == [True] * alone + [False] * 5
        assert states[0] is not None
        assert (states[0].limit, states[0].remaining) == (alone, alone - 1)
    gate.clock.pass_time(MINUTE_S)
    assert len([1 for _ in range(alone + 5) if await gate.knock(0, asker)]) == alone


async def test_once_the_table_is_back_the_whole_rate_is() -> None:
    gate, asker = Gate(1), principal(20)
    gate.table.down = True
    for _ in range(3):
        await gate.knock(0, asker)
    gate.table.down = False
    gate.clock.pass_time(MINUTE_S)
    assert len([1 for _ in range(30) if await gate.knock(0, asker)]) == 20


async def test_a_reply_that_is_lost_admits_at_most_the_tenth() -> None:
    gate, asker = Gate(1), principal(20)
    for _ in range(20):
        gate.table.lose_next.append("applied")
        gate.table.lose_next.append("unapplied")
    states = [await gate.knock(0, asker) for _ in range(10)]
    assert [state.limit for state in states if state is not None] == [2, 2]
