"""Which misses travel together? As few calls as the targets' limits on inputs, tokens and bytes allow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embedge.core.balance import Claim
from embedge.core.metering import cost_nano_usd
from embedge.core.route import CallLimits, Route
from embedge.core.wanted import WantedInput


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """What goes to a target at once."""

    misses: tuple[WantedInput, ...]

    def token_bound(self) -> int:
        """Return a number of tokens that the call cannot exceed."""
        return sum(miss.token_bound for miss in self.misses)


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls that a route's misses need, and the most that they may cost at its dearest target."""

    calls: tuple[UpstreamCall, ...]
    claim: Claim


def plan_calls(misses: Iterable[WantedInput], route: Route) -> Plan:
    """Pack misses into calls that every target of the route takes."""
    calls = tuple(UpstreamCall(batch) for batch in pack(misses, _common_limits(route)))
    price = route.dearest()
    money = sum(cost_nano_usd(call.token_bound(), price) for call in calls)
    return Plan(calls, Claim(money, sum(_rated_tokens(miss, route) for call in calls for miss in call.misses)))


def pack(misses: Iterable[WantedInput], limits: CallLimits) -> Iterator[tuple[WantedInput, ...]]:
    """Yield calls in the order of the misses; an input that is over a limit by itself travels alone.

    Tokens are upper bounds, so a call never carries more than it says. Bytes are those of the inputs.
    """
    batch: list[WantedInput] = []
    tokens = size = 0
    for miss in misses:
        tokens += miss.token_bound
        size += miss.size_bytes
        if batch and (len(batch) == limits.inputs or tokens > limits.tokens or size > limits.body_bytes):
            yield tuple(batch)
            batch, tokens, size = [], miss.token_bound, miss.size_bytes
        batch.append(miss)
    if batch:
        yield tuple(batch)


def _rated_tokens(miss: WantedInput, route: Route) -> int:
    """Return what an input counts against a rate before it is sent: unlike money, a rate needs no bound that holds.

    Without a tokenizer the bound is the model's own maximum, and a batch of short texts would never fit a rate.
    """
    return miss.token_bound if route.tokenizer else min(miss.token_bound, miss.size_bytes)


def _common_limits(route: Route) -> CallLimits:
    limits = [target.limits for target in route.targets]
    return CallLimits(
        inputs=min(limit.inputs for limit in limits),
        tokens=min(limit.tokens for limit in limits),
        body_bytes=min(limit.body_bytes for limit in limits),
        concurrency=min(limit.concurrency for limit in limits),
    )
