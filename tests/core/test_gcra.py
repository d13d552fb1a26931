"""Does a rate hold, whoever asks, in whatever order, by whatever clock?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.conditional_update import evaluate
from embedge.core.gcra import MINUTE_US, Rate, Want

if TYPE_CHECKING:
    from embedge.core.conditional_update import Item

_NOW_US = 1_800_000_000_000_000
_DAY_US = 86_400_000_000
_TIMES = st.integers(_NOW_US, _NOW_US + 3 * MINUTE_US)
_ARRIVALS = st.none() | st.integers(_NOW_US - 2 * MINUTE_US, _NOW_US + 3 * MINUTE_US).map(lambda t: {"g": t, "c": t})
_RATES = st.builds(Rate, st.just("tokens"), st.integers(1, 10_000))
_UNITS = st.integers(1, 20_000)


@dataclass(slots=True)
class Asker:
    """One process that wants units: its clock, what it last saw, and how it fared."""

    units: int
    now_us: int
    seen: Item | None = None
    updates: int = 0
    verdict: str = ""

    def send(self, rate: Rate, item: Item | None) -> Item | None:
        """Carry out its next update on the item, and decide from the answer."""
        self.updates += 1
        after = evaluate(rate.step(self.seen, Want(self.units, self.now_us)), item)
        if after is not None:
            self.verdict = "admitted"
            return after
        self.seen = item
        want = Want(self.units, self.now_us)
        if rate.wait_us(item, want) or not rate.fits(want):
            self.verdict = "denied"
        return item


def admitted_alone(rate: Rate, item: Item | None, units: int, now_us: int) -> bool:
    asker = Asker(units, now_us)
    while not asker.verdict:
        item = asker.send(rate, item)
    return asker.verdict == "admitted"


@given(st.data(), _RATES, _ARRIVALS, st.sampled_from([0, 1000, MINUTE_US, _DAY_US]))
def test_in_any_order_and_by_any_clocks_two_updates_decide_and_no_minute_has_more_than_its_rate(
    data: st.DataObject, rate: Rate, item: Item | None, skew_us: int
) -> None:
    askers = [
        Asker(units, now_us + skew)
        for units, now_us, skew in data.draw(
            st.lists(st.tuples(_UNITS, _TIMES, st.integers(-skew_us, skew_us)), min_size=1, max_size=8)
        )
    ]
    admitted: list[Asker] = []
    while waiting := [asker for asker in askers if not asker.verdict]:
        asker = data.draw(st.sampled_from(waiting))
        before, item = item, asker.send(rate, item)
        assert before is None or (item is not None and item["g"] >= before["g"])  # time is never rolled back
        assert asker.updates <= 2
        if asker.verdict == "admitted":
            admitted.append(asker)
            assert item is not None
            assert item["g"] <= asker.now_us + MINUTE_US
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            window = admitted[first : last + 1]
            passed_us = max(asker.now_us for asker in window) - window[0].now_us
            assert sum(rate.increment_us(asker.units) for asker in window) <= MINUTE_US + passed_us


@given(_RATES, st.integers(0, 3 * MINUTE_US), _UNITS, st.integers(-2 * MINUTE_US, 3 * MINUTE_US))
def test_one_update_decides_for_who_has_seen_that_the_limiter_is_busy(
    rate: Rate, seen_ahead_us: int, units: int, since_us: int
) -> None:
    seen = dict.fromkeys("gc", _NOW_US + seen_ahead_us)
    item = {name: seen[name] + max(0, since_us) for name in "gc"}
    asker = Asker(units, _NOW_US, seen)
    asker.send(rate, item)
    assert asker.verdict


@given(_RATES, _ARRIVALS)
def test_what_is_said_to_remain_is_admitted_and_one_more_is_not(rate: Rate, item: Item | None) -> None:
    remaining = rate.state(item, _NOW_US).remaining
    assert remaining == 0 or admitted_alone(rate, item, remaining, _NOW_US)
    assert not admitted_alone(rate, item, remaining + 1, _NOW_US)


@given(_RATES, _ARRIVALS, _UNITS)
def test_who_waits_as_long_as_told_is_admitted_and_who_waits_less_is_not(
    rate: Rate, item: Item | None, units: int
) -> None:
    wait_us = rate.wait_us(item, Want(units, _NOW_US))
    if rate.fits(Want(units, _NOW_US)):
        assert admitted_alone(rate, item, units, _NOW_US + wait_us)
    assert wait_us == 0 or not admitted_alone(rate, item, units, _NOW_US + wait_us - 1)


@given(_RATES, _ARRIVALS)
def test_after_the_reset_the_whole_rate_is_there(rate: Rate, item: Item | None) -> None:
    state = rate.state(item, _NOW_US)
    assert rate.state(item, _NOW_US + state.reset_us).remaining == rate.per_minute == state.limit
