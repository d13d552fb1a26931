"""Do the groups of usage add up to all of it, whatever they are grouped by?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.dollars import dollars
from embedge.core.request import Observation
from embedge.core.usage import Counts, UsageRow, counts_of, row_of
from embedge.core.usage_groups import Dimension, grouped, total

WORDS = st.sampled_from(["a", "b", "*", "%2A", "a#b", "ä"])
DIMENSIONS: list[Dimension] = ["day", "model", "bot", "project", "tenant"]


@st.composite
def rows(draw: st.DrawFn) -> UsageRow:
    seen = Observation(
        draw(WORDS), bot=draw(WORDS), project=draw(WORDS), model=draw(WORDS), cost_nano_usd=draw(st.integers(0, 9))
    )
    return UsageRow(row_of(seen, draw(st.sampled_from(["2027-01-01", "2027-01-02"]))), counts_of(seen))


@given(
    st.lists(rows()),
    st.lists(st.sampled_from(DIMENSIONS), min_size=1, unique=True),
    st.integers(min_value=1, max_value=9),
)
def test_nothing_is_lost_or_counted_twice_and_there_are_no_more_groups_than_asked_for(
    found: list[UsageRow], by: list[Dimension], most: int
) -> None:
    groups = grouped(found, by, most)
    assert total(group.counts for group in groups) == total(row.counts for row in found)
    assert len(groups) <= most
    assert all(len(group.names) == len(by) for group in groups)
    if by[0] == "day":
        days = [group.names[0] for group in groups if group.names[0] != "*"]
        assert days == sorted(days)


def test_a_bot_that_calls_itself_like_all_others_is_not_taken_for_them() -> None:
    named = UsageRow(row_of(Observation("t", bot="*"), "2027-01-01"), Counts(requests=1))
    others = UsageRow(named.name.other(), Counts(requests=2))
    assert {group.names: group.counts.requests for group in grouped([named, others], ["bot"], 9)} == {
        ("%2A",): 1,
        ("*",): 2,
    }


def test_the_dearest_are_kept_and_come_first() -> None:
    found = [
        UsageRow(row_of(Observation("t", bot=str(number)), "2027-01-01"), Counts(cost=number)) for number in range(5)
    ]
    assert [(group.names[0], group.counts.cost) for group in grouped(found, ["bot"], 3)] == [
        ("4", 4),
        ("3", 3),
        ("*", 3),
    ]


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_dollars_are_exact(nano_usd: int) -> None:
    text = dollars(nano_usd)
    whole, _, fraction = text.lstrip("-").partition(".")
    assert int(whole) * 10**9 + int(fraction.ljust(9, "0") or 0) == abs(nano_usd)
    assert text.startswith("-") == (nano_usd < 0)
    assert not fraction.endswith("0")
