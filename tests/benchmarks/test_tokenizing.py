"""Is what is measured of the size that it says, and is the exponent that of the growth?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tokenizing import SIZES_BYTES, TEXTS, exponent, seconds_for


@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_is_of_the_size_asked_for_but_for_its_last_unit(kind: str) -> None:
    assert 9000 - 1000 < len(TEXTS[kind](9000).encode()) <= 9000


@given(st.floats(0.1, 4), st.floats(1e-9, 1e-3))
def test_the_exponent_of_a_power_is_that_power(power: float, factor: float) -> None:
    seconds = [factor * size**power for size in SIZES_BYTES]
    assert exponent(SIZES_BYTES, seconds) == pytest.approx(power)


def test_what_is_timed_is_the_counting_of_that_text() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return sum(range(100_000))

    assert seconds_for(count, "a text") > 0
    assert set(counted) == {"a text"}
