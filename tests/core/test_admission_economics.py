"""Is an entry written exactly where it is expected to pay, and is what it costs what DynamoDB asks?"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.admission_economics import (
    DYNAMODB_ON_DEMAND,
    NO_CHARGE,
    Prospects,
    Stakes,
    StoreUse,
    half_read_units,
    is_explored,
    stakes,
    worth_looking,
    worth_writing_after,
    write_units,
    writing,
)

MONTH_S = 30 * 86_400
SIGHTINGS = st.lists(st.floats(0.001, 1000), min_size=2, max_size=16).map(lambda counts: tuple(sorted(counts)[::-1]))
STAKES = st.builds(Stakes, st.floats(-100, 10_000), st.floats(1, 10_000), st.floats(0, 100))


@pytest.mark.parametrize(("size", "writes", "half_reads"), [(1, 1, 1), (1024, 1, 1), (1025, 2, 1), (6197, 7, 2)])
def test_units_are_rounded_up_as_dynamodb_rounds_them(size: int, writes: int, half_reads: int) -> None:
    assert (write_units(size), half_read_units(size)) == (writes, half_reads)


def test_what_is_not_there_is_read_for_half_a_unit() -> None:
    assert half_read_units(0) == 1


def test_prices_are_those_of_the_table() -> None:
    # 7 write units at $0.625 a million, one read unit at $0.125, 6,197 bytes and 100 for a month at $0.25 a GB.
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(StoreUse(write_units=7)) == 4_375
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(StoreUse(half_read_units=2)) == 125
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(writing(6_197, MONTH_S)) == 4_375 + 1_575
    assert NO_CHARGE.cost_nano_usd(writing(6_197, MONTH_S)) == 0


def test_half_a_read_unit_is_rounded_once_for_all_lookups() -> None:
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(StoreUse(half_read_units=1_000)) == 62_500


def test_a_hit_is_worth_what_it_saves_less_its_own_read() -> None:
    at_stake = stakes(10_000, 6_197, MONTH_S, DYNAMODB_ON_DEMAND)
    assert (at_stake.hit_nano_usd, at_stake.entry_nano_usd, at_stake.lookup_nano_usd) == (9_875, 5_950, 62.5)


@given(STAKES, SIGHTINGS)
def test_the_choice_is_the_best_of_writing_now_waiting_and_never(
    at_stake: Stakes, sightings: tuple[float, ...]
) -> None:
    """Against every plan "write at the n-th sighting", up to where what was forgone comes to most of an entry."""

    def worth_of_writing_at(count: int) -> float:
        reached = sightings[count] / sightings[0]
        hits = sum(sightings[count + 1 :]) / sightings[0]
        return hits * at_stake.hit_nano_usd - reached * at_stake.entry_nano_usd

    chosen = worth_writing_after(at_stake, Prospects(sightings, 0.0, 0.0))
    first = next((count for count, worth in enumerate(chosen) if worth), len(chosen))
    best = max(0.0, *(worth_of_writing_at(count) for count in range(len(chosen))))
    if first * at_stake.hit_nano_usd >= 0.7 * at_stake.entry_nano_usd and first < len(chosen):
        assert worth_of_writing_at(first) <= best + 1e-3
    else:
        of_chosen = worth_of_writing_at(first) if first < len(chosen) else 0.0
        assert of_chosen == pytest.approx(best, rel=1e-6, abs=1e-3)


@given(STAKES, SIGHTINGS)
def test_no_key_forgoes_more_than_an_entry_costs(at_stake: Stakes, sightings: tuple[float, ...]) -> None:
    chosen = worth_writing_after(at_stake, Prospects(sightings, 0.0, 0.0))
    for count, writes in enumerate(chosen):
        assert writes or count * at_stake.hit_nano_usd < at_stake.entry_nano_usd


@given(STAKES, SIGHTINGS, st.floats(0, 0.9), st.floats(0, 0.09))
def test_the_more_others_see_the_sooner_it_is_written(
    at_stake: Stakes, sightings: tuple[float, ...], elsewhere: float, more: float
) -> None:
    fewer = worth_writing_after(at_stake, Prospects(sightings, elsewhere, 0.0))[0]
    assert worth_writing_after(at_stake, Prospects(sightings, elsewhere + more, 0.0))[0] or not fewer


def test_what_costs_nothing_to_keep_is_kept() -> None:
    free = stakes(0, 6_197, MONTH_S, NO_CHARGE)
    assert all(worth_writing_after(free, Prospects((1.0, 0.0, 0.0), 0.0, 0.0)))
    assert worth_looking(free, Prospects((1.0, 0.0), 0.0, 0.0))


def test_where_a_hit_saves_nothing_no_entry_is_bought() -> None:
    worthless = stakes(0, 6_197, MONTH_S, DYNAMODB_ON_DEMAND)
    assert not any(worth_writing_after(worthless, Prospects((1.0, 0.9, 0.9), 0.5, 0.5)))
    assert not is_explored(bytes(32), worthless)


def test_exploring_costs_a_hundredth_of_what_the_model_does() -> None:
    at_stake = stakes(10_000, 6_197, MONTH_S, DYNAMODB_ON_DEMAND)
    keys = [hashlib.sha256(str(number).encode()).digest() for number in range(20_000)]
    spent = sum(at_stake.entry_nano_usd for key in keys if is_explored(key, at_stake))
    assert 0.008 < spent / (10_000 * len(keys)) < 0.012
