"""Is a call billed for what was counted, and a count beyond all belief held to what its inputs can be?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.assembly import Delivered, billed_tokens, stored_form
from embedge.core.batching import UpstreamCall
from embedge.core.metering import credible_tokens
from embedge.core.vector_codec import MOST_TOKENS
from embedge.core.wanted import WantedInput

SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=8)


def a_call(*sizes_bytes: int) -> UpstreamCall:
    return UpstreamCall(
        tuple(
            WantedInput(index, "x", index.to_bytes(32, "little"), size, 8192) for index, size in enumerate(sizes_bytes)
        )
    )


def most(sizes_bytes: list[int]) -> int:
    return sum(map(credible_tokens, sizes_bytes))


@given(SIZES, st.data())
def test_a_credible_report_is_billed_to_the_token(sizes: list[int], data: st.DataObject) -> None:
    reported = data.draw(st.integers(0, most(sizes)))
    assert billed_tokens(a_call(*sizes), reported, None) == reported


@given(SIZES, st.integers(1, MOST_TOKENS))
def test_a_report_that_cannot_be_true_is_billed_as_the_most_that_could_be(sizes: list[int], beyond: int) -> None:
    assert billed_tokens(a_call(*sizes), most(sizes) + beyond, None) == most(sizes)


def test_what_is_kept_of_an_incredible_report_is_as_little_as_what_is_billed() -> None:
    call = a_call(100, 300)
    delivered = Delivered(call, np.ones((2, 3), np.float32), MOST_TOKENS, 0, "one")
    kept = sum(entry.tokens for entry in stored_form([delivered], None).values())
    assert kept == billed_tokens(call, MOST_TOKENS, None) == most([100, 300]) < 6000


@pytest.mark.parametrize(("counted", "billed"), [({0: 3, 1: 4}, 7), (None, 25 + 75)])
def test_without_a_report_what_was_counted_is_billed_else_an_estimate(
    counted: dict[int, int] | None, billed: int
) -> None:
    keyed = None if counted is None else {index.to_bytes(32, "little"): tokens for index, tokens in counted.items()}
    assert billed_tokens(a_call(100, 300), None, keyed) == billed
