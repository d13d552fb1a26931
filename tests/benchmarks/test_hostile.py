"""Is every hostile body refused, at any size, with as many steps as it is long?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.hostile import fitted_exponent
from benchmarks.hostile_bodies import GZIP, PLAIN
from embedge.api.error_table import TABLE
from embedge.api.received_body import ReceivedBody, json_text
from embedge.api.request_body import read_request
from embedge.core.request import EmbeddingRequest
from embedge.errors import EmbedgeError

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = [(make, "identity") for make in PLAIN.values()] + [(make, "gzip") for make in GZIP.values()]
NAMES = [*PLAIN, *GZIP]
# Refused only by what the route says of its model, which stands behind the reading.
LEFT_TO_THE_ROUTE = {"one long text", "one long text of escapes", "token ids, too many", "our names as texts"}


def outcome(body: bytes, encoding: str) -> EmbeddingRequest | EmbedgeError:
    try:
        return read_request(json_text(ReceivedBody(body, "application/json", encoding)))
    except EmbedgeError as refused:
        return refused


def steps(body: bytes, encoding: str) -> int:
    """Return how many calls reading it takes, of functions of any kind."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        outcome(body, encoding)
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize(("make", "encoding"), KINDS, ids=NAMES)
def test_twice_the_size_is_at_most_twice_the_steps(make: Callable[[int], bytes], encoding: str) -> None:
    once, twice = (steps(make(size), encoding) for size in (40_000, 80_000))
    assert twice <= 2.1 * once + 20


@pytest.mark.parametrize(("name", "kind"), list(zip(NAMES, KINDS, strict=True)), ids=NAMES)
@pytest.mark.parametrize("size", [5000, 60_000])
def test_every_kind_is_refused_with_a_message_that_is_short(
    name: str, kind: tuple[Callable[[int], bytes], str], size: int
) -> None:
    make, encoding = kind
    result = outcome(make(size), encoding)
    if isinstance(result, EmbeddingRequest):
        assert name in LEFT_TO_THE_ROUTE
        return
    assert TABLE[type(result)].status in {400, 413}
    assert len(result.message) < 300
    assert result.message.isascii()


def test_the_exponent_is_that_of_the_curve() -> None:
    sizes = [100, 200, 400, 800]
    assert fitted_exponent(sizes, [3.0 * size for size in sizes]) == pytest.approx(1)
    assert fitted_exponent(sizes, [size**2 / 7 for size in sizes]) == pytest.approx(2)
