"""May this request come now? GCRA on one item a tenant, shared by all processes."""

from collections import OrderedDict

from embedge.core.conditional_update import Applied, Item, evaluate
from embedge.core.gcra import Rate, RateState
from embedge.core.request import Principal
from embedge.errors import RequestRateLimited, ServiceUnavailable
from embedge.ports import Clock, LedgerTable

_MOST_REMEMBERED = 10_000
_MOST_UPDATES = 3
# While the table cannot be reached, each process admits a tenth of the rate by itself.
_ALONE_SHARE = 10


class GcraRates:
    """The Rates port over the ledger's table."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        """Take where the arrival times are, and the time."""
        self._table = table
        self._clock = clock
        self._seen: OrderedDict[str, Item] = OrderedDict()
        self._alone: OrderedDict[str, Item] = OrderedDict()

    async def admit(self, principal: Principal) -> RateState:
        """Admit one request. Raises: RequestRateLimited."""
        rate = Rate("requests", principal.limits.requests_per_minute)
        now_us = int(self._clock.now_s() * 1_000_000)
        item = self._seen.get(principal.tenant)
        try:
            for _ in range(_MOST_UPDATES):
                if wait_us := rate.wait_us(item, 1, now_us):  # times only grow: what was seen still refuses
                    raise _limited(rate.state(item, now_us), wait_us)
                outcome = await self._table.apply(f"RATE#{principal.tenant}", "requests", rate.step(item, 1, now_us))
                item = outcome.item
                _remember(self._seen, principal.tenant, item or {})
                if isinstance(outcome, Applied):
                    return rate.state(item, now_us)
        except ServiceUnavailable:
            return self._admit_alone(principal, now_us)
        # Others were always faster: that is what a limit feels like.
        raise _limited(rate.state(item, now_us), rate.increment_us(1))

    def _admit_alone(self, principal: Principal, now_us: int) -> RateState:
        rate = Rate("requests", max(1, principal.limits.requests_per_minute // _ALONE_SHARE))
        item = self._alone.get(principal.tenant)
        after = evaluate(rate.step(item, 1, now_us), item)
        if after is None:
            raise _limited(rate.state(item, now_us), rate.wait_us(item, 1, now_us))
        _remember(self._alone, principal.tenant, after)
        return rate.state(after, now_us)


def _remember(seen: OrderedDict[str, Item], tenant: str, item: Item) -> None:
    seen[tenant] = item
    seen.move_to_end(tenant)
    if len(seen) > _MOST_REMEMBERED:
        seen.popitem(last=False)


def _limited(rate: RateState, wait_us: int) -> RequestRateLimited:
    return RequestRateLimited(
        f"Rate limit reached: {rate.limit} requests per minute. "
        f"Please try again in {-(-wait_us // 1000)} ms, or send more inputs in each request.",
        limit=rate.limit,
        remaining=rate.remaining,
        reset_us=rate.reset_us,
        retry_after_s=wait_us / 1_000_000,
    )
