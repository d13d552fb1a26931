"""Is all usage written down once, in few writes, soon, and never twice?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.core.request import Observation
from embedge.core.usage import MOST_ROWS, Counts, UsageRow, counts_of, read_row
from tests.fakes import FakeClock, FakeLedgerTable

if TYPE_CHECKING:
    from embedge.core.conditional_update import ConditionalUpdate, ItemUpdate, Outcome, Refusals

SEEN = Observation("acme", bot="b", project="p", model="small", inputs=3, hits=1, misses=2, tokens_served=9)
MONEY: dict[str, Any] = {"tokens_billed": 6, "cost_nano_usd": 120, "saved_nano_usd": 60, "cache_spent_nano_usd": 7}
DAY_S = 86_400


class Process:
    """One process that counts, and the table it shares with others."""

    def __init__(
        self, table: FakeLedgerTable | None = None, clock: FakeClock | None = None, pace: Pace | None = None
    ) -> None:
        self.clock = clock or FakeClock()
        self.table = table or FakeLedgerTable(self.clock)
        self.faults: list[str] = []
        self.usage = LedgerUsage(self.table, self.clock, pace or Pace(5, 1), self.faults.append)

    async def see(self, times: int = 1, **changes: Any) -> None:
        for _ in range(times):
            await self.usage.add(replace(SEEN, **{**MONEY, **changes}))

    def rows(self) -> list[UsageRow]:
        read = (read_row(pk, sk, item) for (pk, sk), item in self.table.items.items())
        return [row for row in read if row is not None]

    def requests(self) -> int:
        return sum(row.counts.requests for row in self.rows())


async def test_a_quiet_process_writes_at_once_and_a_busy_one_every_few_seconds() -> None:
    process = Process()
    await process.see()
    assert process.requests() == 1
    writes = len(process.table.sent)
    await process.see(100)
    assert (process.requests(), len(process.table.sent)) == (1, writes)
    process.clock.pass_time(5)
    await process.see()
    assert (process.requests(), len(process.table.sent)) == (102, writes + 1)


async def test_what_is_written_before_each_answer_is_written_together_by_those_of_one_moment() -> None:
    process = Process(pace=Pace(0, 1))

    async def answered() -> int:
        await process.see()
        return process.requests()

    assert await answered() == 1
    writes = len(process.table.sent)
    assert await asyncio.gather(*(answered() for _ in range(10))) == [11] * 10
    assert len(process.table.sent) == writes + 1


async def test_a_row_says_what_its_requests_came_to() -> None:
    process = Process()
    await process.see(3)
    await process.usage.flush()
    (row,) = process.rows()
    assert (row.name.tenant, row.name.day, row.name.model) == ("acme", "2027-01-15", "small")
    assert row.counts == Counts(3, 9, 3, 6, 27, 18, 360, 180, 21)


async def test_whom_nobody_knows_is_not_counted() -> None:
    process = Process()
    await process.see(tenant="")
    await process.usage.flush()
    assert process.table.sent == []


AWKWARD = st.text(alphabet="a#%*/2", max_size=4)
NAMES = st.tuples(AWKWARD, AWKWARD, AWKWARD.filter(bool))


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMES, max_size=6, unique=True))
def test_no_name_of_a_bot_or_a_project_is_counted_as_another_s(names: list[tuple[str, str, str]]) -> None:
    async def run() -> None:
        process = Process()
        for bot, project, model in names:
            await process.see(bot=bot, project=project, model=model)
        await process.usage.flush()
        assert sorted(row.counts.requests for row in process.rows()) == [1] * len(names)
        assert {row.name.model for row in process.rows()} == {model for *_, model in names}

    asyncio.run(run())


async def test_a_tenant_has_at_most_so_many_rows_a_day_and_nothing_is_lost() -> None:
    one = Process()
    two = Process(one.table, one.clock)
    for number in range(MOST_ROWS):
        await (one if number % 2 else two).see(bot=f"bot {number}")
        await one.see(bot="the same")
        await two.see(bot="the same")
    for process in (one, two, one):
        await process.see(30, bot=f"late {id(process)}")
        await process.usage.flush()
    assert len(one.rows()) <= MOST_ROWS + 1
    assert one.requests() == 3 * MOST_ROWS + 90
    await one.see(bot="new", tenant="umbrella")
    await one.usage.flush()
    assert any(row.name.tenant == "umbrella" and row.name.bot == "new" for row in one.rows())


async def test_what_has_no_place_to_wait_of_its_own_waits_together_and_nothing_is_lost() -> None:
    process = Process()
    await process.see()
    for number in range(1_010):
        await process.see(bot=f"bot {number}")
    await process.see(bot="bot 0")
    await process.usage.flush()
    assert (process.requests(), process.faults) == (1_012, [])


async def test_a_new_day_has_rows_of_its_own() -> None:
    process = Process()
    await process.see()
    process.clock.pass_time(DAY_S)
    await process.see()
    assert sorted(row.name.day for row in process.rows()) == ["2027-01-15", "2027-01-16"]


async def test_a_request_is_of_the_day_that_it_ends_in_however_close_midnight_is() -> None:
    process = Process(clock=FakeClock(1_800_000_000 - 1_800_000_000 % DAY_S))
    days: list[str] = []
    for seconds in (-0.001, 0.001, DAY_S - 0.002, 0.002, -DAY_S):
        process.clock.pass_time(seconds)
        seen = replace(SEEN)
        await process.usage.add(seen)
        days.append(seen.usage_day)
    assert days == ["2027-01-14", "2027-01-15", "2027-01-15", "2027-01-16", "2027-01-15"]


@pytest.mark.parametrize("lost", ["applied", "unapplied"])
async def test_a_write_of_unknown_outcome_is_never_made_again(lost: Literal["applied", "unapplied"]) -> None:
    process = Process()
    await process.see()
    await process.see(2)
    process.table.lose_next.append(lost)
    await process.usage.flush()
    await process.usage.flush()
    assert process.requests() == (3 if lost == "applied" else 1)
    assert process.faults == ["usage_unknown"]


async def test_what_has_waited_for_ten_minutes_is_dropped_and_counted() -> None:
    process = Process()
    await process.see()
    await process.see(2)
    process.clock.pass_time(601)
    await process.see(bot="another")
    assert process.requests() == 2
    assert process.faults == ["usage_dropped"]


class Hanging:
    """The LedgerTable port: nobody ever hears of it again."""

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        del pk, sk, update
        await asyncio.sleep(3600)
        raise AssertionError

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        del first, second
        raise AssertionError


async def test_a_table_that_hangs_holds_no_answer_up_and_what_was_not_begun_waits() -> None:
    clock, faults = FakeClock(), list[str]()
    usage = LedgerUsage(Hanging(), clock, Pace(5, 0.01), faults.append)
    async with asyncio.timeout(5):
        await usage.add(SEEN)
        assert faults == ["usage_unknown"]
        for number in range(20):
            await usage.add(replace(SEEN, bot=str(number)))
        for begun in (9, 17, 21, 21):
            await usage.flush()
            assert faults == ["usage_unknown"] * begun


async def test_who_could_not_write_comes_half_as_often_until_it_goes_well_again() -> None:
    process, written_s = Process(), list[int]()
    for second in range(200):
        process.table.down, sent = second < 100, len(process.table.sent)
        await process.see()
        if len(process.table.sent) > sent:
            written_s.append(second)
        process.clock.pass_time(1)
    assert written_s == [0, 10, 30, 70, 130, 160, 175, 183, 188, 193, 198]


def test_every_count_of_an_observation_is_kept() -> None:
    assert len(counts_of(replace(SEEN, **MONEY)).added()) == len(Counts._fields)
