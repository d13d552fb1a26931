"""Which rates bind a request, and in which tiers may it be served?"""

import hashlib
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Literal

from embedge.core.gcra import Rate, Rates, Tier
from embedge.core.request import NO_LIMIT, Limits, ModelRate, Principal, ServiceTier
from embedge.core.route import Route


def within(principal: Principal, route: Route) -> Principal:
    """Return who asks, with those rates of models only that bind this route, by any of its names."""
    if not principal.limits.models:
        return principal
    names = route.answers_to()
    binding = tuple(rate for rate in principal.limits.models if any(fnmatchcase(name, rate.pattern) for name in names))
    return replace(principal, limits=replace(principal.limits, models=binding))


def of_no_model(principal: Principal) -> Principal:
    """Return who asks, with no rates of models: for calls that name none."""
    return replace(principal, limits=replace(principal.limits, models=()))


def rates_of(principal: Principal, kind: Literal["requests", "tokens"]) -> Rates:
    """Return the rates of a kind that bind: the tenant's, and those of its models; none for who is exempt.

    None either where nothing is limited: an item that refuses nothing would still be written by every process.
    """
    limits = principal.limits
    if principal.exempt:
        return Rates(())
    own = Rate(kind, _per_minute(limits, kind) or 0, limits.over_limit_percent)
    rates = (own, *(rate for _, rate in model_rates(limits, kind)))
    return Rates(() if len(rates) == 1 and own.per_minute >= NO_LIMIT else rates)


def model_rates(limits: Limits, kind: Literal["requests", "tokens"]) -> tuple[tuple[str, Rate], ...]:
    """Return the rates of a kind of a tenant's models, each with the pattern that names them."""
    return tuple(
        (rate.pattern, Rate(kind, per_minute, limits.over_limit_percent, _suffix(rate)))
        for rate in limits.models
        if (per_minute := _per_minute(rate, kind)) is not None
    )


def asked(principal: Principal, asks: ServiceTier | None) -> ServiceTier | None:
    """Return what a request asks for, no more than its bearer may: `flex` is less than `default`, that than `auto`."""
    if principal.tier == "flex" or asks == "flex":
        return "flex"
    return "default" if principal.tier == "default" else asks


def tiers_of(limits: Limits, asks: ServiceTier | None) -> tuple[Tier, ...]:
    """Return the tiers that a request may be served in, the best first."""
    if asks == "flex":
        return ("flex",)
    return ("default", "over-limit") if limits.over_limit_percent and asks != "default" else ("default",)


def worse(one: Tier, other: Tier) -> Tier:
    """Return the tier of a request of which two parts were served in these: one part beyond the rate is beyond it."""
    return other if one == "default" else one


def named(limits: Limits, asks: ServiceTier | None, served: Tier) -> Tier | None:
    """Return the tier that the answer names: none where nobody named one and the tenant has none."""
    return served if asks is not None or limits.over_limit_percent else None


def _per_minute(limits: Limits | ModelRate, kind: Literal["requests", "tokens"]) -> int | None:
    return limits.requests_per_minute if kind == "requests" else limits.tokens_per_minute


def _suffix(rate: ModelRate) -> str:
    """Return what tells the attributes of a model's rate apart, in letters and digits that DynamoDB takes."""
    return f"_{hashlib.sha256(rate.pattern.encode()).hexdigest()[:8]}"
