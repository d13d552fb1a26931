"""Is one hit in so many embedded again, wherever it comes, and is an entry only wrong where two answers agree?"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.recheck import ONE_IN, Sampler, agree, asked, finding
from tests.core.samples import route, target

if TYPE_CHECKING:
    from embedge.core.vector_codec import FloatVector


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_about_one_hit_in_a_thousand_is_drawn(batch: int) -> None:
    sampler, hits = Sampler(ONE_IN, Random(1).random), 400_000
    drawn = sum(sampler.pick(batch) is not None for _ in range(hits // batch))
    assert 330 < drawn < 470


@given(st.integers(0, 999), st.lists(st.integers(1, 50), min_size=1, max_size=80))
def test_a_place_that_is_drawn_is_one_of_the_request_s(seed: int, requests: list[int]) -> None:
    sampler = Sampler(20, Random(seed).random)
    for hits in requests:
        place = sampler.pick(hits)
        assert place is None or 0 <= place < hits


def test_every_place_of_a_request_is_as_likely() -> None:
    sampler, drawn = Sampler(100, Random(2).random), [0] * 10
    for _ in range(40_000):
        if (place := sampler.pick(10)) is not None:
            drawn[place] += 1
    assert min(drawn) > 0.7 * max(drawn)


def test_processes_that_start_from_one_snapshot_do_not_draw_the_same_hits() -> None:
    drawn: list[float] = []

    def random() -> float:
        drawn.append(0.5)
        return 0.5

    sampler = Sampler(ONE_IN, random)
    assert drawn == []
    sampler.pick(1)
    assert drawn == [0.5]


def test_every_target_is_asked_and_the_second_opinion_is_another_s() -> None:
    targets = route(targets=[target(id=name) for name in ("one", "two", "three")]).targets
    assert {asked(targets, drawn)[0].id for drawn in (0.0, 0.4, 0.99)} == {"one", "two", "three"}
    assert all(first != second for first, second in (asked(targets, drawn) for drawn in (0.0, 0.4, 0.99)))
    assert asked(targets[:1], 0.7) == (targets[0], targets[0])


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("kept", "other", "same"),
        ("other", "kept", "same"),
        ("other", "other", "other"),
        ("other", "third", "models_differ"),
    ],
)
def test_an_entry_is_wrong_only_where_two_answers_agree_on_another_vector(first: str, second: str, found: str) -> None:
    drawn = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    named: dict[str, FloatVector] = dict(zip(("kept", "other", "third"), drawn, strict=True))
    assert finding(named["kept"], named[first], named[second]) == found


def test_rounding_and_length_are_no_difference_and_size_is_one() -> None:
    vector = np.random.default_rng(1).standard_normal(64).astype(np.float32)
    assert agree(vector, (3 * vector).astype(np.float16).astype(np.float32))
    assert not agree(vector, vector[:32])
    assert not agree(vector, np.zeros(64, np.float32))
