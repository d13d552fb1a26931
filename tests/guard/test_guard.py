"""Does the guard block whom an alarm is about, let in nobody else, and never act on yesterday's news?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge import tenancy
from embedge.core.tenant_document import EVERYBODY, Block, blocks_in, is_blocked, partition_of
from embedge.errors import InvalidValue, ServiceUnavailable
from embedge.guard import act, act_and_tell
from tests.fakes import FakeControlTable
from tests.guard.events import STACK, alarm_event, composite_event

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = f"{STACK}/tenant/acme/block/day-100"
BURN = f"{STACK}/tenant/acme/block/burn-rate"
ALL = f"{STACK}/everybody/block/day-100"


def blocked(control: FakeControlTable, tenant: str = "acme") -> bool:
    partition = partition_of(tenant)
    documents = {sk: text for (pk, sk), text in control.documents.items() if pk == partition}
    return is_blocked(blocks_in(documents))


async def guard(control: FakeControlTable, *events: dict[str, Any]) -> list[str]:
    return [(await act(event, STACK, control)).deed for event in events]


async def test_an_alarm_blocks_its_tenant_and_its_end_lets_it_in_again() -> None:
    control = FakeControlTable()
    assert await guard(control, alarm_event(DAY, "ALARM", 100.5)) == ["blocked"]
    assert (blocked(control), blocked(control, "umbrella"), blocked(control, EVERYBODY)) == (True, False, False)
    assert await guard(control, alarm_event(DAY, "OK", 200.0)) == ["let in"]
    assert not blocked(control)


async def test_a_composite_alarm_of_the_whole_stack_blocks_everybody() -> None:
    control = FakeControlTable()
    assert await guard(control, composite_event(ALL, "ALARM", 100)) == ["blocked"]
    assert blocked(control, EVERYBODY)


async def test_the_end_of_one_alarm_lifts_neither_an_operator_s_block_nor_another_alarm_s() -> None:
    control = FakeControlTable()
    await tenancy.say(control, "acme", "operator", Block(blocked=True, at_s=1))
    await guard(control, alarm_event(DAY, "ALARM", 2), alarm_event(DAY, "OK", 3))
    assert blocked(control)
    await tenancy.say(control, "acme", "operator", Block(blocked=False, at_s=4))
    assert not blocked(control)
    await guard(control, alarm_event(BURN, "ALARM", 5), alarm_event(DAY, "OK", 6))
    assert blocked(control)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["ALARM", "OK"]), st.integers(1, 20)), unique_by=lambda change: change[1], min_size=1
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_whatever_comes_twice_or_in_another_order_the_newest_counts(
    changes: list[tuple[str, int]], random: Any
) -> None:
    control = FakeControlTable()
    events = [alarm_event(DAY, state, at_s) for state, at_s in changes] * 2
    random.shuffle(events)
    asyncio.run(guard(control, *events))
    newest = max(changes, key=lambda change: change[1])
    assert blocked(control) == (newest[0] == "ALARM")


NAMES = [
    f"{STACK}/tenant/acme/notify/day-80",
    f"{STACK}/everybody/notify/day-50",
    "another/tenant/acme/block/day-100",
    f"{STACK}-2/tenant/acme/block/day-100",
    f"{STACK}/tenant/a/b/block/day-100",
    f"{STACK}/tenant/*/block/day-100",
    f"{STACK}/tenant//block/day-100",
    f"{STACK}/drift",
    DAY + "/x",
]


@pytest.mark.parametrize("alarm", NAMES)
async def test_an_alarm_that_only_notifies_or_is_not_ours_writes_nothing(alarm: str) -> None:
    control = FakeControlTable()
    assert await guard(control, alarm_event(alarm, "ALARM", 1)) == ["nothing: not an alarm that blocks"]
    assert control.documents == {}


async def test_without_data_everything_stays_as_it_is_and_a_suppressed_alarm_blocks_nobody() -> None:
    control = FakeControlTable()
    await guard(control, alarm_event(DAY, "ALARM", 1), alarm_event(DAY, "INSUFFICIENT_DATA", 2))
    assert blocked(control)
    await guard(control, composite_event(ALL, "ALARM", 3, actionsSuppressedBy="ExtensionPeriod"))
    assert not blocked(control, EVERYBODY)


async def test_where_it_cannot_be_written_the_event_comes_again_and_then_it_is() -> None:
    control = FakeControlTable()
    control.down = True
    with pytest.raises(ServiceUnavailable):
        await guard(control, alarm_event(DAY, "ALARM", 1))
    control.down = False
    await guard(control, alarm_event(DAY, "ALARM", 1))
    assert blocked(control)


@pytest.mark.parametrize(
    "event", [{}, {"detail": {}}, {**alarm_event(DAY, "ALARM", 1), "detail-type": "Scheduled Event"}]
)
async def test_what_is_no_change_of_an_alarm_is_refused_and_kept_for_operators(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        await guard(FakeControlTable(), event)


class Told:
    """The Notices port: remembers."""

    def __init__(self) -> None:
        self.measured: list[tuple[dict[str, str], dict[str, float]]] = []
        self.lines: list[tuple[str, dict[str, str | int], dict[str, float]]] = []

    def tell(self, what: str, fields: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        self.lines.append((what, dict(fields), dict(numbers)))

    def measure(self, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        self.measured.append((dict(of), dict(numbers)))


async def test_operators_are_told_what_was_done() -> None:
    told = Told()
    await act_and_tell(alarm_event(DAY, "ALARM", 1), STACK, FakeControlTable(), told)
    numbers = {"guard_events": 1, "guard_blocks": 1, "guard_lifts": 0}
    assert told.lines == [("guard", {"alarm": DAY, "tenant": "acme", "deed": "blocked"}, numbers)]
