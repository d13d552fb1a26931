"""What happens to a request, in order? This function, and nothing else, knows.

verify the token → read the body → resolve the route → look into memory, then admit the request and, at the same time,
look up the other inputs → hold tokens and money for those misses that nobody else is fetching → call the upstream →
settle → store → wait for what others fetch → answer. Beside the last five, a hit that all share may be embedded again.
A hit costs nothing and writes nothing to the ledger; a later refusal gives back what an earlier step took.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from embedge import leases
from embedge.core.admission import check_answer_size, check_lengths, check_sizes
from embedge.core.allowance import asked, named, within, worse
from embedge.core.assembly import Embedded, in_order, makers, miscounted_calls, stored_form
from embedge.core.batching import Plan, plan_calls
from embedge.core.cache_policy import Weighing
from embedge.core.obtained import NOTHING, Obtained, observe
from embedge.core.provenance import Provenance
from embedge.core.request import Admission, Call, Principal
from embedge.core.route import Route
from embedge.core.routing import choose, has_scope, require_model, require_scope
from embedge.core.vector_codec import StoredVector
from embedge.core.wanted import Wanted, WantedInput, want
from embedge.errors import BudgetSpent, ModelNotAllowed, ServiceUnavailable, TokenRateLimited
from embedge.ports import Hold, Memory
from embedge.services import Services
from embedge.together import together
from embedge.upstreams import Counting, Fetched, Order

# As much of `user` as log lines hold.
_LONGEST_USER = 128


async def embed(call: Call, services: Services) -> Embedded:
    """Return one vector for each input, in the order of the inputs.

    Raises: AuthenticationFailed, PermissionDenied, InvalidRequest, NotServed, LimitReached, UpstreamError,
    ServiceUnavailable. Nothing is charged then but what a provider billed.
    """
    principal = await _caller(call, services)
    request = call.read()
    call.observation.user = (request.user or "")[:_LONGEST_USER]
    route = await _chosen(call, services, principal, request.model)
    purged = await services.purges.current()
    secret = await services.key_secret.current()
    wanted = want(await services.tokenizers.as_text(route, request), route, principal.tenant, purged, secret)
    call.observation.model, call.observation.provider = route.space.model, route.targets[0].provider
    call.observation.inputs = len(wanted.keys)
    check_sizes(wanted)
    check_answer_size(wanted, services.largest_answer_bytes)
    check_lengths(wanted, await services.tokenizers.count(route, wanted.worth_counting()) or {})

    held = _held(services.memory, wanted)
    weighing = services.cache_policy.weigh(wanted, principal.tenant, held)
    with services.flights.looking() as landed:
        (principal, admission), read = await _admit_and_look(call, services, principal, wanted, weighing.keys)
    weighing.found(read)
    cached = {**held, **read} if held else read
    call.observation.rates, call.observation.tier = admission.rates, admission.tier
    call.observation.cache_spent_nano_usd = weighing.spent_nano_usd()
    misses = wanted.without(cached)
    async with services.rechecks.beside(call, wanted, cached):
        errand = _Errand(call, services, principal, wanted, misses, weighing) if misses else None
        paid = NOTHING if errand is None else await _obtain(errand, landed)

    vectors = in_order(wanted, {**cached, **paid.vectors} if misses else cached)
    observe(call.observation, wanted, vectors, paid)
    return Embedded(
        model=route.space.model,
        encoding=request.encoding_format,
        dimensions=wanted.dimensions,
        vectors=vectors,
        tokens=call.observation.tokens_served,
        hits=call.observation.hits,
        misses=len(misses),
        targets=paid.targets,
        cost_nano_usd=call.observation.cost_nano_usd,
        rates=call.observation.rates,
        tier=named(principal.limits, asked(principal, request.service_tier), call.observation.tier),
    )


def _held(memory: Memory, wanted: Wanted) -> Mapping[bytes, StoredVector]:
    """Return what is at hand. A route that keeps nothing takes nothing that another has kept either."""
    if wanted.route.admit == "never":
        return {}
    return memory.held(wanted.distinct_keys, wanted.route.space.dimensions)


async def _caller(call: Call, services: Services) -> Principal:
    """Return who asks, by what is known by now; nobody is refused a scope by what may have changed since."""
    principal = await services.authenticator.verify(call.credential)
    call.observation.tenant = principal.tenant
    if not has_scope(principal, "embeddings"):
        principal = await services.authenticator.confirm(call.credential)
        require_scope(principal, "embeddings")
    return principal


async def _chosen(call: Call, services: Services, principal: Principal, model: str) -> Route:
    """Return the route of a name; nobody is refused one by what may have changed since."""
    routes = await services.routes.current()
    try:
        return choose(routes, principal, model)
    except ModelNotAllowed:
        return choose(routes, await services.authenticator.confirm(call.credential), model)


async def _admit_and_look(
    call: Call, services: Services, known: Principal, wanted: Wanted, keys: Sequence[bytes]
) -> tuple[tuple[Principal, Admission], Mapping[bytes, StoredVector]]:
    """Admit the request and, at the same time, look the keys up."""
    admitting = _admit(call, services, known, wanted)
    if not keys:  # all is at hand, and a task of its own would look nothing up
        return await admitting, {}
    return await together(admitting, services.cache.get_many(keys, wanted.route.space.dimensions, known.tenant))


async def _admit(call: Call, services: Services, known: Principal, wanted: Wanted) -> tuple[Principal, Admission]:
    """Let pass who may go on, also by what has changed since the principal was `known`; admit the request.

    Raises: AuthenticationFailed, PermissionDenied, LimitReached, ServiceUnavailable.
    """
    principal = await services.authenticator.confirm(call.credential)
    call.observation.watched = principal.limits.watched
    if principal is not known:  # else both were asked already
        require_scope(principal, "embeddings")
        require_model(principal, wanted.route)
    if principal.tenant != known.tenant:  # its issuer has just been given other names
        raise ServiceUnavailable(
            "Your tenant has another name since this request came. Send it again.", retry_after_s=1
        )
    principal = within(principal, wanted.route)
    return principal, await services.rates.admit(principal, asked(principal, wanted.request.service_tier))


@dataclass(frozen=True, slots=True)
class _Errand:
    """What has to be fetched, for whom. It is `leased` while other processes may be waited for."""

    call: Call
    services: Services
    principal: Principal
    wanted: Wanted
    misses: Sequence[WantedInput]
    weighing: Weighing
    leased: bool = True


async def _obtain(errand: _Errand, landed: Mapping[bytes, StoredVector]) -> Obtained:
    """Fetch the misses, or have them from who fetches them already; what others fail to get is fetched next.

    `landed` came while the cache was asked. Every miss has its vector afterwards, or this raises.
    """
    route, flights = errand.wanted.route, errand.services.flights
    vectors = {miss.key: landed[miss.key] for miss in errand.misses if miss.key in landed}
    rounds: list[Obtained] = []
    while left := [miss for miss in errand.misses if miss.key not in vectors]:
        fetching = partial(_fetch, replace(errand, leased=not rounds))
        paid, theirs = await flights.fetch(left, route.targets, errand.call.deadline_s, fetching)
        rounds += () if paid is None else (paid,)
        vectors |= {**theirs, **(paid.vectors if paid else {})}
    targets = dict.fromkeys(target for paid in rounds for target in paid.targets)
    return Obtained(vectors, {key for paid in rounds for key in paid.own}, tuple(targets))


async def _fetch(errand: _Errand, misses: Sequence[WantedInput]) -> Obtained:
    """Hold, call, settle, store. Raises: what kept every call from being sent.

    Counting each input for its cache entry runs while the upstream works.
    """
    errand = replace(errand, misses=misses)
    route, services = errand.wanted.route, errand.services
    counting: Counting = asyncio.create_task(services.tokenizers.count(route, misses))
    try:
        plan, hold = await _hold(errand, counting)
        try:
            if errand.leased:
                plan = await leases.narrow(plan, route, services.leases)
            turn = "last" if asked(errand.principal, errand.wanted.request.service_tier) == "flex" else "first"
            order = Order(plan, route, hold, counting, errand.call.deadline_s, turn)
            fetched = await services.upstreams.embed(order)
        finally:
            settled = await hold.settle()
            errand.call.observation.cost_nano_usd += settled.billed_nano_usd
            errand.call.observation.rates += () if settled.rate is None else (settled.rate,)
            errand.call.observation.tier = worse(errand.call.observation.tier, settled.tier)
        paid = await _keep(errand, fetched, await counting)
        return paid if paid.error else await _wait(errand, plan, paid)
    finally:
        counting.cancel()


async def _hold(errand: _Errand, counting: Counting) -> tuple[Plan, Hold]:
    """Take what the misses may come to; where that bound does not fit, what they come to exactly.

    Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable.
    """
    ledger, route = errand.services.ledger, errand.wanted.route
    asks = asked(errand.principal, errand.wanted.request.service_tier)
    plan = plan_calls(errand.misses, route)
    try:
        return plan, await ledger.take(errand.principal, replace(plan.claim, asks=asks))
    except (BudgetSpent, TokenRateLimited):
        counted = await counting
        if counted is None:
            raise
        exact = [replace(miss, token_bound=counted[miss.key]) for miss in errand.misses]
        plan = plan_calls(exact, route)
        return plan, await ledger.take(errand.principal, replace(plan.claim, asks=asks))


async def _keep(errand: _Errand, fetched: Fetched, counted: Mapping[bytes, int] | None) -> Obtained:
    """Store what is worth it of what came, also where not all did: it is paid for, and the next try finds it."""
    fresh = stored_form(fetched.delivered, counted, errand.wanted.route.space.storage)
    errand.call.observation.tokens_billed += sum(part.billed_tokens for part in fetched.delivered)
    errand.call.observation.miscounted_calls += miscounted_calls(fetched.delivered, counted)
    vectors = await _store(errand, fresh, fetched)
    errand.call.observation.cache_spent_nano_usd = errand.weighing.spent_nano_usd()
    targets = tuple(dict.fromkeys(part.target for part in fetched.delivered))
    return Obtained(vectors, fresh, targets, fetched.error)


async def _store(
    errand: _Errand, fresh: Mapping[bytes, StoredVector], fetched: Fetched
) -> Mapping[bytes, StoredVector]:
    """Store what is worth it; return what to answer with: where the route says so, what another has kept first."""
    cache, route, tenant = errand.services.cache, errand.wanted.route, errand.principal.tenant
    provenance = Provenance(errand.wanted.owner, makers(fetched.delivered))
    worth = errand.weighing.worth_keeping(fresh)
    if route.first_writer:  # and nothing else is held in memory, or processes would differ for as long as it is
        return {**fresh, **await cache.keep_first(worth, route.ttl_s, tenant, provenance=provenance)}
    if route.admit != "never":
        errand.services.memory.hold(fresh, route.ttl_s, tenant)
    await cache.put_many(worth, route.ttl_s, tenant, provenance=provenance)
    return fresh


async def _wait(errand: _Errand, plan: Plan, paid: Obtained) -> Obtained:
    """Add what was not in the plan, because other processes fetch it, and are soon done."""
    services, dimensions = errand.services, errand.wanted.route.space.dimensions
    theirs = {miss.key for miss in errand.misses} - {miss.key for call in plan.calls for miss in call.misses}
    if not theirs:
        return paid
    found = await leases.wait(services.cache, dimensions, theirs, errand.call.deadline_s, errand.principal.tenant)
    return replace(paid, vectors={**paid.vectors, **found})
