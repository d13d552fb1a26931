"""Does every miss travel exactly once, in order, in as few calls as the limits allow?"""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.batching import pack, plan_calls
from embedge.core.metering import cost_nano_usd
from embedge.core.route import CallLimits
from embedge.core.wanted import WantedInput, want
from tests.core.samples import request, route, target

if TYPE_CHECKING:
    from decimal import Decimal

SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=40)
MISSES = SIZES.map(
    lambda sizes: tuple(
        WantedInput(index, "x", index.to_bytes(32, "little"), size_bytes, bound)
        for index, (size_bytes, bound) in enumerate(sizes)
    )
)
LIMITS = st.builds(CallLimits, st.integers(1, 6), st.integers(1, 30), st.integers(1, 30), st.just(1))


def within(batch: tuple[WantedInput, ...], limits: CallLimits) -> bool:
    return (
        len(batch) <= limits.inputs
        and sum(miss.token_bound for miss in batch) <= limits.tokens
        and sum(miss.size_bytes for miss in batch) <= limits.body_bytes
    )


@given(MISSES, LIMITS)
def test_nothing_is_lost_or_doubled_and_the_order_is_kept(misses: tuple[WantedInput, ...], limits: CallLimits) -> None:
    assert tuple(chain.from_iterable(pack(misses, limits))) == misses


@given(MISSES, LIMITS)
def test_a_call_is_within_all_limits_unless_it_is_a_single_input(
    misses: tuple[WantedInput, ...], limits: CallLimits
) -> None:
    assert all(within(batch, limits) or len(batch) == 1 for batch in pack(misses, limits))
    assert all(pack(misses, limits))  # and none is empty


@given(MISSES, LIMITS)
def test_a_call_is_closed_only_where_the_next_input_does_not_fit(
    misses: tuple[WantedInput, ...], limits: CallLimits
) -> None:
    for batch, following in pairwise(pack(misses, limits)):
        assert not within((*batch, following[0]), limits)


def priced(price: Decimal, inputs: int, tokens: int, body_bytes: int) -> dict[str, Any]:
    limits = {"inputs": inputs, "tokens": tokens, "body_bytes": body_bytes}
    return target(price_usd_per_million_tokens=str(price), limits=limits)


PRICES = st.decimals(0, 9, places=9)
TARGETS = st.lists(
    st.builds(priced, PRICES, st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4
)


@given(st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=12, unique=True), TARGETS)
def test_a_plan_fits_every_target_and_holds_what_the_dearest_would_cost(
    texts: list[str], targets: list[dict[str, Any]]
) -> None:
    model = route(targets=[{**place, "id": f"target-{number}"} for number, place in enumerate(targets)])
    plan = plan_calls(want(request(*texts), model, "acme").inputs, model)
    assert [miss.content for call in plan.calls for miss in call.misses] == list(texts)
    assert plan.claim.tokens == sum(len(text.encode()) for text in texts)
    for place in model.targets:
        assert all(within(call.misses, place.limits) or len(call.misses) == 1 for call in plan.calls)
        prices = (place.price_nano_usd_per_million_tokens for _ in plan.calls)
        costs = [cost_nano_usd(call.token_bound(), price) for call, price in zip(plan.calls, prices, strict=True)]
        assert sum(costs) <= plan.claim.nano_usd
    assert plan.claim.nano_usd == sum(cost_nano_usd(call.token_bound(), model.dearest()) for call in plan.calls)
