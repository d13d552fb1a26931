"""Is a target of another space found out, whatever it does wrong, and one of this space never accused?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.route import Space, Verified
from embedge.core.space_check import (
    PROBES,
    Probed,
    Unusable,
    Verdict,
    fingerprint,
    judge,
    needs_check,
    probes,
    to_take_out,
)
from tests.core.samples import document, route, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedge.core.vector_codec import FloatVectors

DIMENSIONS = 16
UNIT = Space("m", "1", DIMENSIONS, normalised=True)
FREE = Space("m", "1", DIMENSIONS, normalised=False)


def unit(rows: FloatVectors) -> FloatVectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def vectors(seed: int = 0, length: float = 1.0) -> FloatVectors:
    drawn = np.random.default_rng(seed).normal(size=(len(PROBES), DIMENSIONS))
    return unit(drawn.astype(np.float32)) * np.float32(length)


def probed(name: str, rows: FloatVectors, alone: FloatVectors | None = None) -> Probed:
    return Probed(name, rows, rows[-1:] if alone is None else alone, 1.0)


def problems(space: Space, *answers: Probed | Unusable) -> list[str | None]:
    return [verdict.problem for verdict in judge(space, answers)]


def noise(rows: FloatVectors) -> FloatVectors:
    return (rows + np.random.default_rng(9).normal(scale=0.002, size=rows.shape)).astype(np.float32)


@pytest.mark.parametrize("space", [UNIT, FREE])
def test_targets_that_differ_by_rounding_serve_one_space(space: Space) -> None:
    first, second = judge(space, [probed("a", vectors()), probed("b", noise(vectors()))])
    assert (first.problem, second.problem) == (None, None)
    assert (first.dimensions, second.dimensions) == (DIMENSIONS, DIMENSIONS)
    assert first.length == pytest.approx(1.0)
    assert second.least_cosine is not None
    assert 0.999 <= second.least_cosine < 1


def swapped(rows: FloatVectors) -> FloatVectors:
    changed = rows.copy()
    changed[[0, 1]] = changed[[1, 0]]
    return changed


def spoilt(value: float) -> Callable[[FloatVectors], FloatVectors]:
    def spoil(rows: FloatVectors) -> FloatVectors:
        changed = rows.copy()
        changed[3] = value
        return changed

    return spoil


WRONG: list[tuple[Callable[[FloatVectors], FloatVectors], str]] = [
    (lambda _: vectors(seed=1), "not those of a"),
    (lambda rows: -rows, "not those of a"),
    (swapped, "not those of a"),
    (lambda rows: unit((rows + 0.06 * vectors(seed=1)).astype(np.float32)), "not those of a"),
    (lambda rows: rows * np.float32(1.05), "lengths up to 1.05"),
    (spoilt(0.0), "no length"),
    (spoilt(float("nan")), "not finite"),
    (spoilt(float("inf")), "not finite"),
    (lambda rows: np.repeat(rows[:1], len(rows), axis=0), "the same vector"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=range(len(WRONG)))
def test_a_target_of_another_space_is_found_out_and_the_first_is_not_blamed(
    change: Callable[[FloatVectors], FloatVectors], says: str
) -> None:
    good, bad = judge(UNIT, [probed("a", vectors()), probed("b", change(vectors()))])
    assert good.problem is None
    assert says in (bad.problem or "")
    assert bad.drifted


@given(st.permutations(range(len(PROBES))))
def test_a_server_that_mixes_up_a_batch_is_found_out(order: list[int]) -> None:
    mixed = vectors()[order]
    (verdict,) = judge(UNIT, [probed("a", mixed, vectors()[-1:])])
    assert (verdict.problem is not None) == (order[-1] != len(PROBES) - 1)
    _, second = judge(UNIT, [probed("a", vectors()), probed("b", mixed, vectors()[-1:])])
    assert (second.problem is not None) == (order != list(range(len(PROBES))))


@pytest.mark.parametrize("length", [0.5, 1.02, 3.0])
def test_where_lengths_count_all_targets_give_the_same(length: float) -> None:
    assert problems(FREE, probed("a", vectors(length=length)), probed("b", vectors(length=length))) == [None, None]
    _, second = problems(FREE, probed("a", vectors(length=length)), probed("b", vectors(length=length * 1.05)))
    assert second == "its vectors are not as long as those of a"


def test_the_first_that_is_sound_by_itself_is_what_others_are_compared_with() -> None:
    broken = probed("a", np.repeat(vectors()[:1], len(PROBES), axis=0))
    gone = Unusable("b", "it cannot be reached", answered=False, latency_ms=1.0)
    verdicts = judge(UNIT, [broken, gone, probed("c", vectors(1)), probed("d", vectors(1))])
    assert [verdict.problem is None for verdict in verdicts] == [False, False, True, True]
    assert [verdict.drifted for verdict in verdicts] == [True, False, False, False]


def verdict(name: str, problem: str | None = None, *, drifted: bool = False) -> Verdict:
    return Verdict(name, None, None, None, 1.0, problem, drifted=drifted)


def test_who_drifts_is_taken_out_who_cannot_be_reached_is_not_and_never_the_last() -> None:
    drifts, gone, good = verdict("a", "drifts", drifted=True), verdict("b", "gone"), verdict("c")
    assert to_take_out([drifts, gone, good]) == {"a": "drifts"}
    assert to_take_out([drifts, gone]) == {}
    assert to_take_out([drifts]) == {}
    assert to_take_out([good]) == {}
    assert to_take_out([]) == {}


def test_probes_are_of_several_scripts_and_lengths_and_any_model_takes_them() -> None:
    assert len(set(PROBES)) == len(PROBES) >= 8
    assert max(len(text.encode()) for text in PROBES) <= 256
    assert probes(route()) == PROBES
    assert all(len(text.encode()) <= 60 for text in probes(route(max_input_tokens=60)))
    assert len(probes(route(max_input_tokens=1))) == 2


TWO = [target(), target(id="two", endpoint="https://b.test/v1")]
SAME: list[dict[str, Any]] = [
    {},
    {"targets": TWO[::-1]},
    {"alias": "other", "names": ["x"], "ttl_s": 60, "shared": True},
    {"targets": [TWO[0] | {"priority": 3, "weight": 2, "price_usd_per_million_tokens": "9", "id": "renamed"}, TWO[1]]},
    {"targets": [*TWO, target(id="out", endpoint="https://c.test/v1", disabled="it drifted")]},
]
OTHER: list[dict[str, Any]] = [
    {"targets": TWO[:1]},
    {"targets": [*TWO, target(id="three")]},
    {"targets": [TWO[0] | {"disabled": "it drifted"}, TWO[1]]},
    *({"targets": [TWO[0] | change, TWO[1]]} for change in (
        {"endpoint": "https://provider.test/v2"},
        {"model": "another"},
        {"provider": "tei"},
        {"transport": "sagemaker"},
        {"inference_component": "c"},
        {"target_variant": "v"},
    )),
    *({"space": {**document()["space"], **change}} for change in (
        {"model": "m2"}, {"revision": "2"}, {"dimensions": 9}, {"normalised": False}, {"prompt": "q"},
    )),
]  # fmt: skip


@pytest.mark.parametrize("changes", SAME)
def test_what_does_not_change_who_answers_leaves_a_comparison_valid(changes: dict[str, Any]) -> None:
    known = {"fingerprint": fingerprint(route(targets=TWO)), "at": "then"}
    assert not needs_check(route(**{"targets": TWO, "verified": known, **changes}))


@pytest.mark.parametrize("changes", OTHER)
def test_whatever_changes_who_answers_or_the_space_makes_it_void(changes: dict[str, Any]) -> None:
    known = {"fingerprint": fingerprint(route(targets=TWO, token_inputs="refused")), "at": "then"}
    changed = route(**{"targets": TWO, "token_inputs": "refused", "verified": known, **changes})
    assert changed.verified == Verified(known["fingerprint"], "then")
    assert fingerprint(changed) != known["fingerprint"]
    assert needs_check(changed) == (len(changed.targets) > 1)


def test_several_targets_need_a_comparison_and_being_forced_is_none() -> None:
    assert not needs_check(route())
    assert needs_check(route(targets=TWO))
    forced = {"fingerprint": fingerprint(route(targets=TWO)), "at": "then", "forced": True}
    assert needs_check(route(targets=TWO, verified=forced))


def test_what_texts_are_for_is_part_of_what_was_compared() -> None:
    spaces = ({**document()["space"], "input_type": task} for task in ("retrieval.query", "retrieval.passage"))
    targets = [{**one, "provider": "jina"} for one in TWO]
    one, other = (fingerprint(route(space=space, targets=targets, token_inputs="refused")) for space in spaces)
    assert one != other
