"""Does the table of costs add up, and follow the prices that the cache decides by?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cost import MIXES, Mix, duration_ms, log_bytes, store_use
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND

HIT = Mix("a hit", "one hit", hits=1, misses=0, tokens=40)
MISS = Mix("a miss", "one miss", hits=0, misses=1, tokens=40)


def test_there_are_six_mixes_with_names_of_their_own() -> None:
    assert len({mix.title for mix in MIXES}) == 6


def test_a_smaller_function_works_longer_and_waits_as_long() -> None:
    assert duration_ms(HIT, 10, 1769) == pytest.approx(15)
    assert duration_ms(HIT, 10, 1024) == pytest.approx(5 + 10 * 1769 / 1024)
    assert duration_ms(HIT, 10, 10_000) == pytest.approx(15)  # one thread has no use for a second processor
    assert duration_ms(MISS, 10, 1769) > 300


def test_dynamodb_is_paid_for_lookups_rates_charges_and_what_is_kept() -> None:
    # One unit of the rate, and a read of 6.2 KB: two half units.
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(store_use(HIT)) == 625 + 125
    # The rate and the charge, and half a unit for what was not there.
    assert DYNAMODB_ON_DEMAND.cost_nano_usd(store_use(MISS)) == 2 * 625 + 63
    kept = store_use(replace(MISS, kept=True))
    assert kept.write_units == 2 + 7
    assert kept.byte_s > 0


def test_what_goes_out_is_mostly_base64() -> None:
    assert 8192 < HIT.bytes_out() < 8192 + 1024
    assert replace(HIT, hits=100).bytes_out() > 90 * HIT.bytes_out()


def test_a_request_leaves_between_one_and_three_kilobytes_of_log() -> None:
    assert 1000 < log_bytes(HIT) < 3000
