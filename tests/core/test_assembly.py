"""Does each input get its own vector, is a call billed for what was counted, and is a count beyond belief held back?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.assembly import Delivered, billed_tokens, in_order, stored_form
from embedge.core.batching import UpstreamCall
from embedge.core.metering import credible_tokens
from embedge.core.vector_codec import MOST_TOKENS
from embedge.core.wanted import WantedInput, want
from tests.core.samples import request, route

SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=8)


def a_call(*sizes_bytes: int) -> UpstreamCall:
    return UpstreamCall(
        tuple(
            WantedInput(index, "x", index.to_bytes(32, "little"), size, 8192) for index, size in enumerate(sizes_bytes)
        )
    )


def most(sizes_bytes: list[int]) -> int:
    return sum(map(credible_tokens, sizes_bytes))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), st.integers(1, 4))
def test_each_input_gets_its_own_vector_however_misses_are_split_over_calls(texts: list[str], per_call: int) -> None:
    wanted = want(request(*texts), route(), "acme")
    misses = wanted.without(())
    calls = [UpstreamCall(misses[start : start + per_call]) for start in range(0, len(misses), per_call)]
    brought = [np.array([[ord(str(miss.content))] * 2 for miss in call.misses], np.float32) for call in calls]
    delivered = [Delivered(call, rows, None, 0, "one") for call, rows in zip(calls, brought, strict=True)]
    vectors = in_order(wanted, stored_form(reversed(delivered), None))
    assert [vector.floats().tolist() for vector in vectors] == [[ord(text)] * 2 for text in texts]


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
