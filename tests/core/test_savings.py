"""Does the report add up to its rows, whichever way they are grouped?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.savings import report
from embedge.core.usage import Counts, RowName, UsageRow

DAYS = [f"2027-01-{day}" for day in range(12, 20)]
NUMBERS = st.integers(0, 10**12)
NAMES = st.builds(
    RowName,
    st.sampled_from(["acme", "umbrella"]),
    st.sampled_from(DAYS),
    st.sampled_from(["small", "large"]),
    st.sampled_from(["default", "*"]),
    st.sampled_from(["", "*"]),
)
ROWS = st.lists(
    st.builds(UsageRow, NAMES, st.builds(Counts, requests=NUMBERS, hits=NUMBERS, saved=NUMBERS, spent=NUMBERS))
)


@given(ROWS)
def test_days_and_models_come_to_the_same_total(rows: list[UsageRow]) -> None:
    found = report(rows, DAYS[2:6])
    within = [row.counts for row in rows if row.name.day in DAYS[2:6]]
    assert found.total.counts.hits == sum(counts.hits for counts in within)
    assert found.total.counts.net() == sum(counts.saved - counts.spent for counts in within)
    for groups in (found.days, found.models):
        assert sum(one.counts.requests for one in groups) == found.total.counts.requests
        assert sum(one.counts.net() for one in groups) == found.total.counts.net()


@given(ROWS)
def test_every_day_is_shown_in_order_and_the_model_that_saves_most_first(rows: list[UsageRow]) -> None:
    found = report(rows, DAYS[2:6])
    assert [day.name for day in found.days] == DAYS[2:6]
    nets = [one.counts.net() for one in found.models]
    assert nets == sorted(nets, reverse=True)


def test_a_hit_rate_is_of_what_was_looked_up() -> None:
    row = UsageRow(RowName("acme", DAYS[2], "small", "default", ""), Counts(1, inputs=10, hits=3, misses=1))
    assert report([row], DAYS).total.counts.hit_rate() == 0.75
    assert report([], DAYS).total.counts.hit_rate() == 0
