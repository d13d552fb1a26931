"""What happens to a request, in order? This function, and nothing else, knows.

verify the token → read the body → resolve the route → admit the request and, at the same time, look up every input →
hold tokens and money for the misses → call the upstream → settle → store → answer. A hit costs nothing and writes
nothing to the ledger; a later refusal gives back what an earlier step took.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from embedge.core.admission import Wanted, WantedInput, check_answer_size, check_lengths, check_sizes, want
from embedge.core.assembly import Embedded, in_order, miscounted_calls, saved_nano_usd, stored_form
from embedge.core.balance import Settled
from embedge.core.batching import Plan, plan_calls
from embedge.core.request import Call, Observation, Principal
from embedge.core.routing import choose, require_scope
from embedge.core.vector_codec import StoredVector
from embedge.errors import BudgetSpent, TokenRateLimited
from embedge.ports import Authenticator, Cache, Hold, Ledger, Rates, Routes, Tokenizers
from embedge.upstreams import Counting, Fetched, Order, Upstreams

# As much of `user` as log lines hold.
_LONGEST_USER = 128


@dataclass(frozen=True, slots=True)
class Services:
    """What the way needs from outside. `largest_answer_bytes`: what can be given back, by whatever way."""

    authenticator: Authenticator
    routes: Routes
    rates: Rates
    cache: Cache
    ledger: Ledger
    tokenizers: Tokenizers
    upstreams: Upstreams
    largest_answer_bytes: int


async def embed(call: Call, services: Services) -> Embedded:
    """Return one vector for each input, in the order of the inputs.

    Raises: AuthenticationFailed, PermissionDenied, InvalidRequest, NotServed, LimitReached, UpstreamError,
    ServiceUnavailable. Nothing is charged then but what a provider billed.
    """
    principal = await services.authenticator.verify(call.credential)
    call.observation.tenant = principal.tenant
    require_scope(principal, "embeddings")
    request = call.read()
    call.observation.user = (request.user or "")[:_LONGEST_USER]
    route = choose(await services.routes.current(), principal, request.model)
    wanted = want(await services.tokenizers.as_text(route, request), route, principal.tenant)
    call.observation.model, call.observation.provider = route.space.model, route.targets[0].provider
    call.observation.inputs = len(wanted.inputs)
    check_sizes(wanted)
    check_answer_size(wanted, services.largest_answer_bytes)
    check_lengths(wanted, await services.tokenizers.count(route, wanted.worth_counting()) or {})

    looking = services.cache.get_many(wanted.keys(), route.space.dimensions)
    rate, cached = await _together(services.rates.admit(principal), looking)
    call.observation.rates = (rate,)
    misses = wanted.without(cached)
    paid = await _fetch(_Errand(call, services, principal, wanted, misses)) if misses else _NOTHING

    vectors = {**cached, **paid.vectors}
    _observe(call.observation, wanted, vectors, paid.vectors)
    return Embedded(
        model=route.space.model,
        encoding=request.encoding_format,
        dimensions=wanted.dimensions,
        vectors=in_order(wanted, vectors),
        tokens=call.observation.tokens_served,
        hits=call.observation.hits,
        misses=len(misses),
        targets=paid.targets,
        cost_nano_usd=paid.settled.billed_nano_usd,
        rates=call.observation.rates,
    )


@dataclass(frozen=True, slots=True)
class _Errand:
    """What has to be fetched, for whom."""

    call: Call
    services: Services
    principal: Principal
    wanted: Wanted
    misses: Sequence[WantedInput]


@dataclass(frozen=True, slots=True)
class _Paid:
    """What the misses came to."""

    vectors: Mapping[bytes, StoredVector]
    targets: tuple[str, ...]
    settled: Settled


_NOTHING = _Paid({}, (), Settled(0, None))


async def _fetch(errand: _Errand) -> _Paid:
    """Hold, call, settle, store. Every miss has its vector afterwards, or this raises.

    Counting each input for its cache entry runs while the upstream works.
    """
    route, services = errand.wanted.route, errand.services
    counting: Counting = asyncio.create_task(services.tokenizers.count(route, errand.misses))
    try:
        plan, hold = await _hold(errand, counting)
        try:
            fetched = await services.upstreams.embed(Order(plan, route, hold, counting, errand.call.deadline_s))
        finally:
            settled = await hold.settle()
            errand.call.observation.cost_nano_usd = settled.billed_nano_usd
            errand.call.observation.rates += () if settled.rate is None else (settled.rate,)
        return await _keep(errand, fetched, settled, await counting)
    finally:
        counting.cancel()


async def _hold(errand: _Errand, counting: Counting) -> tuple[Plan, Hold]:
    """Take what the misses may come to; where that bound does not fit, what they come to exactly.

    Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable.
    """
    ledger, route = errand.services.ledger, errand.wanted.route
    plan = plan_calls(errand.misses, route)
    try:
        return plan, await ledger.take(errand.principal, plan.claim)
    except (BudgetSpent, TokenRateLimited):
        counted = await counting
        if counted is None:
            raise
        exact = [replace(miss, token_bound=counted[miss.key]) for miss in errand.misses]
        plan = plan_calls(exact, route)
        return plan, await ledger.take(errand.principal, plan.claim)


async def _keep(errand: _Errand, fetched: Fetched, settled: Settled, counted: Mapping[bytes, int] | None) -> _Paid:
    """Store what came, also where not all did: it is paid for, and the caller's next try finds it.

    Raises: the error that kept the rest from coming.
    """
    fresh = stored_form(fetched.delivered, counted)
    errand.call.observation.tokens_billed = sum(part.billed_tokens for part in fetched.delivered)
    errand.call.observation.miscounted_calls = miscounted_calls(fetched.delivered, counted)
    await errand.services.cache.put_many(fresh, errand.wanted.route.ttl_s)
    if fetched.error is not None:
        raise fetched.error
    return _Paid(fresh, tuple(dict.fromkeys(part.target for part in fetched.delivered)), settled)


def _observe(
    seen: Observation,
    wanted: Wanted,
    vectors: Mapping[bytes, StoredVector],
    fetched: Mapping[bytes, StoredVector],
) -> None:
    seen.hits = sum(item.key not in fetched for item in wanted.inputs)
    seen.misses = len(fetched)
    seen.duplicates = len(wanted.inputs) - seen.hits - seen.misses
    seen.tokens_served = sum(vectors[item.key].tokens for item in wanted.inputs)
    seen.saved_nano_usd = saved_nano_usd(wanted, vectors, fetched)


_First = TypeVar("_First")
_Second = TypeVar("_Second")


async def _together(first: Coroutine[Any, Any, _First], second: Coroutine[Any, Any, _Second]) -> tuple[_First, _Second]:
    """Run both at once. Where the first raises, the second is cancelled and its outcome dropped."""
    other = asyncio.create_task(second)
    try:
        return await first, await other
    except BaseException:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        raise
