"""How are tokens taken: from what was taken ahead, from the ledger, or where that is away, a tenth of the rate?"""

from collections import OrderedDict
from dataclasses import replace

from embedge.adapters.ledger_balances import Balances, Taken
from embedge.adapters.ledger_refusal import refusal
from embedge.adapters.rates_alone import RatesAlone
from embedge.core.allowance import tiers_of
from embedge.core.balance import Claim, Limited, Terms, out_of_tokens
from embedge.core.gcra import RateState, Want
from embedge.core.leased_units import LIFE_US, LeasedUnits
from embedge.core.request import Principal
from embedge.errors import ServiceUnavailable, TokenRateLimited

_MOST_REMEMBERED = 10_000


class TakenAhead:
    """Takes claims from balances, and tokens ahead of what is needed where there are plenty."""

    def __init__(self, balances: Balances) -> None:
        """Take the balances."""
        self._balances = balances
        self._units: OrderedDict[str, LeasedUnits] = OrderedDict()
        self._alone = RatesAlone()

    async def take(self, principal: Principal, claim: Claim) -> Taken:
        """Take all of the claim or none. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        terms, moment = Terms.of(principal), self._balances.moment()
        if not terms.rates.rates:
            claim = replace(claim, tokens=0)
        # Of several rates each has what is left of it: there is nothing to take ahead of all.
        units = self._units_of(principal.tenant) if len(terms.rates.rates) == 1 and claim.asks != "flex" else None
        had = units.use(claim.tokens, moment.now_us) if units else 0
        missing = replace(claim, tokens=claim.tokens - had)
        try:
            if missing.is_nothing():
                return Taken(moment.period, tiers_of(terms.limits, claim.asks)[0])
            return await self._take(principal, missing, units)
        except BaseException:
            if units:
                units.put_back(had)
            raise

    def state(self, principal: Principal) -> RateState | None:
        """Return what is left of the rate, as the ledger last showed it; None for who is exempt."""
        rates = Terms.of(principal).rates
        seen, now_us = self._balances.seen(principal.tenant), self._balances.moment().now_us
        return rates.state(seen, now_us) if rates.rates else None

    async def _take(self, principal: Principal, claim: Claim, units: LeasedUnits | None) -> Taken:
        try:
            taken = await self._take_ahead(principal, claim, units) if units and claim.tokens else None
            return taken or await self._balances.take(principal.tenant, Terms.of(principal), claim)
        except ServiceUnavailable:
            if claim.nano_usd:
                raise
            return self._take_alone(principal, claim)

    async def _take_ahead(self, principal: Principal, claim: Claim, units: LeasedUnits) -> Taken | None:
        """Take more than is needed now; None where there is no call for that, or no room."""
        terms, moment = Terms.of(principal), self._balances.moment()
        more = units.ahead(principal.limits.tokens_per_minute)
        ahead = replace(claim, tokens=claim.tokens + more, asks="default", ahead_us=LIFE_US)
        seen = self._balances.seen(principal.tenant)
        if not more or seen is None or out_of_tokens(seen, ahead, terms, moment):
            return None
        try:
            taken = await self._balances.take(principal.tenant, terms, ahead)
        except TokenRateLimited:
            return None
        units.took(more, moment.now_us)
        return taken

    def _take_alone(self, principal: Principal, claim: Claim) -> Taken:
        """Admit tokens whose money is in hand while the ledger is out of reach. Raises: TokenRateLimited."""
        terms, moment = Terms.of(principal), self._balances.moment()
        tier = tiers_of(terms.limits, claim.asks)[0]
        outcome = self._alone.admit(principal.tenant, terms.rates, Want(claim.tokens, moment.now_us, tier))
        if isinstance(outcome, Limited):
            raise refusal(outcome, claim, moment)
        return Taken(moment.period, tier)

    def _units_of(self, tenant: str) -> LeasedUnits:
        units = self._units.setdefault(tenant, LeasedUnits())
        self._units.move_to_end(tenant)
        if len(self._units) > _MOST_REMEMBERED:
            self._units.popitem(last=False)
        return units
