"""May this request come now? GCRA on one item a tenant, shared by all processes.

A process of a tenant with a large rate takes some requests ahead, so that not each of them, hits included, is a write.
"""

from collections import OrderedDict

from embedge.adapters.rates_alone import RatesAlone
from embedge.core.allowance import rates_of, tiers_of
from embedge.core.balance import Limited
from embedge.core.conditional_update import Applied, Item
from embedge.core.gcra import Rates, RateState, Tier, Want
from embedge.core.leased_units import LIFE_US, LeasedUnits
from embedge.core.request import Admission, Limits, Principal, ServiceTier
from embedge.errors import RequestRateLimited, ServiceUnavailable
from embedge.ports import Clock, LedgerTable

_MOST_REMEMBERED = 10_000


class _Known:
    """What this process knows of one tenant's requests."""

    def __init__(self) -> None:
        self.item: Item | None = None
        self.units = LeasedUnits()
        self._limits: Limits | None = None
        self._exempt = False
        self._rates = Rates(())

    def rates_of(self, principal: Principal) -> Rates:
        """Return the rates of requests that bind: most requests of a tenant come with the very same limits."""
        if principal.limits is not self._limits or principal.exempt != self._exempt:
            self._limits, self._exempt = principal.limits, principal.exempt
            self._rates = rates_of(principal, "requests")
        return self._rates


class GcraRates:
    """The Rates port over the ledger's table."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        """Take where the arrival times are, and the time."""
        self._table = table
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._alone = RatesAlone()

    async def admit(self, principal: Principal, asks: ServiceTier | None = None) -> Admission:
        """Admit one request, in a tier that it asks for. Raises: RequestRateLimited."""
        known, tiers = self._of(principal.tenant), tiers_of(principal.limits, asks)
        rates = known.rates_of(principal)
        if not rates.rates:
            return Admission(tiers[0], ())
        now_us = int(self._clock.now_s() * 1_000_000)
        alone = len(rates.rates) == 1 and asks != "flex"
        if alone and known.units.use(1, now_us):
            return Admission("default", (rates.state(known.item, now_us),))
        try:
            if alone and await self._take_ahead(principal, rates, now_us):
                return Admission("default", (rates.state(known.item, now_us),))
            tier = await self._take(principal.tenant, rates, Want(1, now_us), tiers)
        except ServiceUnavailable:
            return self._admit_alone(principal, rates, Want(1, now_us, tiers[0]))
        return Admission(tier, (rates.state(known.item, now_us),))

    async def _take(self, tenant: str, rates: Rates, want: Want, tiers: tuple[Tier, ...]) -> Tier:
        """Take the units in the first tier that has room. Raises: RequestRateLimited, ServiceUnavailable."""
        known, now_us = self._of(tenant), want.now_us
        for _ in range(rates.most_updates()):
            tier = rates.tier(known.item, want, tiers)
            if tier is None:  # times only grow: what was seen still refuses
                break
            step = rates.step(known.item, Want(want.units, now_us, tier, want.ahead_us))
            outcome = await self._table.apply(f"RATE#{tenant}", "requests", step)
            known.item = outcome.item
            if isinstance(outcome, Applied):
                return tier
        raise _limited(rates.state(known.item, now_us), rates.soonest_us(known.item, want, tiers))

    async def _take_ahead(self, principal: Principal, rates: Rates, now_us: int) -> bool:
        """Take more requests than this one where there is call for that, and room; return whether that was done."""
        known = self._of(principal.tenant)
        more = known.units.ahead(principal.limits.requests_per_minute)
        want = Want(1 + more, now_us, ahead_us=LIFE_US)
        if not more or known.item is None or rates.tier(known.item, want, ("default",)) is None:
            return False
        try:
            await self._take(principal.tenant, rates, want, ("default",))
        except RequestRateLimited:
            return False
        known.units.took(more, now_us)
        return True

    def _admit_alone(self, principal: Principal, rates: Rates, want: Want) -> Admission:
        outcome = self._alone.admit(principal.tenant, rates, want)
        if isinstance(outcome, Limited):
            raise _limited(outcome.rate, outcome.wait_us)
        return Admission(want.tier, (outcome,))

    def _of(self, tenant: str) -> _Known:
        known = self._known.get(tenant)
        if known is None:
            known = self._known[tenant] = _Known()
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(tenant)
        return known


def _limited(rate: RateState, wait_us: int | None) -> RequestRateLimited:
    wait = (
        "" if wait_us is None else f"Please try again in {-(-wait_us // 1000)} ms, or send more inputs in each request."
    )
    return RequestRateLimited(
        f"Rate limit reached: {rate.limit} requests per minute. {wait}".rstrip(),
        limit=rate.limit,
        remaining=rate.remaining,
        reset_us=rate.reset_us,
        retry_after_s=None if wait_us is None else wait_us / 1_000_000,
    )
