"""Does a process hear of every change in time, however long it was frozen, and ask for no more than it has to?"""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge import tenancy
from embedge.adapters.kept_control import KeptControl
from embedge.errors import ServiceUnavailable
from tests.adapters.slowly import SlowControlTable
from tests.fakes import FakeClock, FakeControlTable

_P = "TENANT#acme"


class Process:
    """One that keeps Control, and an operator who changes it."""

    def __init__(self) -> None:
        self.clock, self.control, self.faults = FakeClock(), FakeControlTable(), list[str]()
        self.slowly = SlowControlTable(self.control)
        self.kept = KeptControl(self.slowly, self.clock, self.faults.append)

    async def says(self, document: str, partition: str = _P) -> None:
        self.control.documents[partition, "CONF"] = document
        await tenancy.announce(self.control, partition)

    async def sees(self, partition: str = _P) -> str | None:
        await self.kept.freshen()
        return (await self.kept.partition(partition)).get("CONF")

    async def is_sure(self) -> bool:
        try:
            await self.sees()
        except ServiceUnavailable:
            return False
        return True


async def test_a_change_is_heard_of_within_fifteen_seconds() -> None:
    process = Process()
    await process.says("1")
    assert await process.sees() == "1"
    await process.says("2")
    process.clock.pass_time(15.1)
    assert await process.sees() == "2"


async def test_while_nothing_changes_one_document_is_read_every_fifteen_seconds_and_no_more() -> None:
    process = Process()
    await process.sees()
    process.clock.pass_time(15.1)  # what was read before the first look is read once more
    await process.sees()
    process.control.queried.clear()
    for _ in range(30):
        process.clock.pass_time(1)
        await asyncio.gather(*(process.sees() for _ in range(10)))
    assert set(process.control.queried) == {"CHANGES"}
    assert len(process.control.queried) <= 2


async def test_only_what_has_changed_is_read_anew() -> None:
    process = Process()
    names = [f"TENANT#{number}" for number in range(20)]
    for name in names:
        await process.sees(name)
    await process.says("2", names[7])
    process.clock.pass_time(15.1)
    process.control.queried.clear()
    assert [await process.sees(name) for name in names] == [None] * 7 + ["2"] + [None] * 12
    assert process.control.queried == ["CHANGES", names[7]] or process.control.queried.count(names[7]) == 1


async def test_what_is_known_of_several_comes_in_the_order_that_it_is_asked_for_in() -> None:
    process, names = Process(), ("TENANT#b", "TENANT#c", "TENANT#a")
    for name in names:
        await process.says(f"of {name}", name)
    assert process.kept.all_known(names) is None
    for name in names:
        await process.sees(name)
    for order in permutations(names):
        assert process.kept.all_known(order) == tuple({"CONF": f"of {name}"} for name in order)
    assert process.kept.all_known((*names, "TENANT#d")) is None


@pytest.mark.parametrize("frozen_s", [16, 3_600, 86_400 * 30])
async def test_who_was_frozen_believes_nothing_before_it_has_looked(frozen_s: float) -> None:
    process = Process()
    assert await process.sees() is None
    await process.says("blocked")
    process.clock.pass_time(frozen_s)
    assert not process.kept.is_fresh()
    assert await process.sees() == "blocked"


async def test_who_was_frozen_for_more_changes_than_are_named_takes_everything_for_changed() -> None:
    process = Process()
    assert await process.sees() is None
    await process.says("blocked")
    for number in range(300):
        await process.says("x", f"TENANT#{number:060}")
    process.clock.pass_time(16)
    assert await process.sees() == "blocked"


async def test_while_control_is_down_what_was_known_stands_for_five_minutes() -> None:
    process = Process()
    await process.says("1")
    assert await process.sees() == "1"
    process.control.down = True
    process.clock.pass_time(300)
    assert await process.sees() == "1"
    assert "changes_stale" in process.faults
    process.clock.pass_time(0.1)
    assert not await process.is_sure()
    process.control.down = False
    process.clock.pass_time(5.1)
    assert await process.is_sure()


async def test_a_process_that_has_never_looked_is_sure_of_nothing() -> None:
    process = Process()
    process.control.down = True
    assert not await process.is_sure()


async def test_while_control_is_down_it_is_asked_every_five_seconds_and_not_by_everybody() -> None:
    process = Process()
    await process.sees()
    process.control.down = True
    process.clock.pass_time(16)
    process.control.queried.clear()
    for _ in range(20):
        process.clock.pass_time(1)
        await asyncio.gather(*(process.sees() for _ in range(20)))
    assert len(process.control.queried) <= 8


async def test_what_has_changed_and_cannot_be_read_stands_for_five_minutes_since_it_was_known() -> None:
    process = Process()
    await process.says("1")
    await process.sees()
    process.clock.pass_time(16)
    await process.sees()
    await process.says("2")
    process.clock.pass_time(16)
    await process.kept.freshen()
    process.control.down = True
    assert (await process.kept.partition(_P))["CONF"] == "1"
    process.clock.pass_time(290)
    with pytest.raises(ServiceUnavailable):
        await process.kept.partition(_P)


async def test_what_was_on_its_way_while_a_change_was_heard_of_is_read_once_more() -> None:
    process = Process()
    assert await process.sees("TENANT#other") is None
    once = iter([True])

    def meanwhile() -> None:
        if next(once, False):
            # The old documents are on their way; now the change is written, announced and heard of.
            process.control.documents[_P, "CONF"] = "2"
            process.control.documents["CHANGES", "last"] = '{"count": 1, "recent": ["TENANT#acme"]}'
            process.clock.pass_time(14)
            process.kept._hear('{"count": 1, "recent": ["TENANT#acme"]}')

    process.slowly.meanwhile = meanwhile
    assert (await process.kept.partition(_P)).get("CONF") == "2"


async def test_what_was_on_its_way_while_the_process_was_frozen_is_read_once_more() -> None:
    process = Process()
    once = iter([True])

    def frozen() -> None:
        if next(once, False):
            process.clock.pass_time(7_200)
            process.control.documents[_P, "CONF"] = "blocked"

    process.slowly.meanwhile = frozen
    assert (await process.kept.partition(_P)).get("CONF") == "blocked"


async def test_what_was_never_announced_is_found_within_ten_minutes() -> None:
    process = Process()
    await process.sees()
    process.control.documents[_P, "CONF"] = "2"
    for _ in range(40):
        process.clock.pass_time(15.1)
        await process.sees()
    assert await process.sees() == "2"


async def test_a_table_that_was_put_back_to_an_earlier_state_is_believed() -> None:
    process = Process()
    for number in range(5):
        await process.says(str(number))
    assert await process.sees() == "4"
    process.control.documents = {(_P, "CONF"): "old", ("CHANGES", "last"): '{"count": 1, "recent": ["TENANT#acme"]}'}
    process.clock.pass_time(16)
    assert await process.sees() == "old"


async def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    process = Process()
    await process.says("1")
    first, second = (asyncio.create_task(process.kept.partition(_P)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["CONF"] == "1"
    assert process.control.queried.count(_P) == 1


_deeds = st.lists(
    st.tuples(st.sampled_from(["change", "look", "wait", "down", "up", "freeze"]), st.integers(0, 4)), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(_deeds)
def test_nobody_is_ever_served_by_what_changed_more_than_thirty_seconds_ago(deeds: list[tuple[str, int]]) -> None:
    """While Control can be read. While it cannot: five minutes."""

    async def run() -> None:
        process = Process()
        written: dict[str, list[tuple[float, str]]] = {}
        down_since_s = float("inf")
        for number, (deed, which) in enumerate(deeds):
            name = f"TENANT#{which}"
            match deed:
                case "change" if not process.control.down:
                    await process.says(str(number), name)
                    written.setdefault(name, []).append((process.clock.now_s(), str(number)))
                case "wait" | "freeze":
                    process.clock.pass_time(which * (4 if deed == "wait" else 1_000))
                case "down" | "up":
                    process.control.down = deed == "down"
                    down_since_s = min(down_since_s, process.clock.now_s()) if deed == "down" else float("inf")
                case _:
                    try:
                        seen = await process.sees(name)
                    except ServiceUnavailable:
                        assert process.control.down or process.clock.now_s() - process.kept._tried_s <= 5
                        continue
                    now_s = process.clock.now_s()
                    allowed_s = 30 if down_since_s == float("inf") else 300
                    older = [text for at_s, text in written.get(name, []) if at_s < now_s - allowed_s - 1e-6]
                    recent = [text for at_s, text in written.get(name, []) if at_s >= now_s - allowed_s - 1e-6]
                    assert seen in [*older[-1:], *recent] or (not older and seen is None)

    asyncio.run(run())
