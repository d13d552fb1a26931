"""Does an address that asks too often wait, and nobody for another's sake?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.address_rate import AddressRates, counted_as

_S = 1_000_000


@given(st.integers(1, 500), st.lists(st.integers(0, 300_000), max_size=300))
def test_no_window_of_a_second_has_more_than_twice_the_rate_and_no_ten_more_than_eleven_times(
    per_second: int, pauses_us: list[int]
) -> None:
    rates, now_us, passed = AddressRates(per_second), 10**15, list[int]()
    for pause_us in pauses_us:
        now_us += pause_us
        if not rates.wait_us("203.0.113.1", now_us):
            passed.append(now_us)
    for window_s in (1, 10):
        for start in passed:
            assert sum(start <= at < start + window_s * _S for at in passed) <= per_second * (window_s + 1) + 1


def test_a_second_s_worth_passes_at_once_and_then_as_many_as_time_brings() -> None:
    rates = AddressRates(100)
    assert [rates.wait_us("203.0.113.1", 0) for _ in range(101)] == [0] * 100 + [10_000]
    assert rates.wait_us("203.0.113.1", 9_999) == 1
    assert rates.wait_us("203.0.113.1", 10_000) == 0
    assert rates.wait_us("203.0.113.2", 0) == 0


def test_who_waits_as_long_as_it_is_told_passes() -> None:
    rates, now_us = AddressRates(7), 0
    for _ in range(200):
        wait_us = rates.wait_us("203.0.113.1", now_us)
        assert rates.wait_us("203.0.113.1", now_us + wait_us) == 0 or not wait_us
        now_us += wait_us


@pytest.mark.parametrize("own", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_never_counted(own: str) -> None:
    rates = AddressRates(1)
    assert [rates.wait_us(own, 0) for _ in range(50)] == [0] * 50


def test_the_addresses_of_one_network_of_ipv6_count_together() -> None:
    assert counted_as("2001:db8::1") == counted_as("2001:db8::ffff:1%eth0") == "2001:db8::/64"
    assert counted_as("2001:db8:0:1::1") != counted_as("2001:db8::1")
    assert counted_as("::ffff:203.0.113.9") == counted_as("203.0.113.9") == "203.0.113.9"


def test_what_is_no_address_counts_by_its_name() -> None:
    assert counted_as("test-invoke-source-ip") == "test-invoke-source-ip"
    assert len(counted_as("x" * 1000) or "") == 64


def test_memory_is_bounded_however_many_ask() -> None:
    rates = AddressRates(1)
    for number in range(30_000):
        rates.wait_us(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert len(rates._arrivals_us) == 10_000
