"""How is money taken before it is spent? From what this process holds already, else from the tenant's balance.

A process pays requests from what it took: what a request leaves over stays in a purse and pays the next one of the same
day; where a tenant has a large budget and asks much, a lease pays hundreds. The law, whatever dies or hangs: billed <=
budget in every period, because a hold is a charge that only its holder may reduce, and a write with an unknown outcome
counts against us: a reservation as not had, a return as made.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from embedge.adapters.ledger_balances import Balances
from embedge.adapters.ledger_demand import Demand
from embedge.adapters.ledger_leases import Lease, Leases
from embedge.adapters.ledger_tokens import TakenAhead
from embedge.core.balance import Claim, Settled
from embedge.core.balance_forms import Period, nearly_spent
from embedge.core.gcra import Tier
from embedge.core.hold import HoldAccount, PaidAttempt
from embedge.core.lease import DEFAULT_LEASE_TERMS, LeaseTerms
from embedge.core.limit_change import limit_change
from embedge.core.request import Principal
from embedge.ports import Clock, LedgerTable

# A purse keeps what about this many requests need, and goes back when it has not been used for a while.
_PURSE_REQUESTS = 4
_QUIET_S = 60


@dataclass(slots=True)
class _Purse:
    """What a process holds of one tenant's money, all of it taken in one period."""

    period: Period
    nano_usd: int
    last_claim_nano_usd: int
    used_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """Money, the period that it was taken from and goes back to, and the lease that it is of, where it is of one."""

    period: Period
    nano_usd: int
    lease: Lease | None = None


class PurseLedger:
    """The Ledger port over the ledger's table."""

    def __init__(
        self,
        table: LedgerTable,
        clock: Clock,
        lease_terms: LeaseTerms = DEFAULT_LEASE_TERMS,
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take where the balances are, the time, when a lease is worth it, and whom to tell of a bill over its hold."""
        self._clock = clock
        self._on_fault = on_fault
        self._balances = Balances(table, clock)
        self._tokens = TakenAhead(self._balances)
        self._leases = Leases(table, self._balances, clock, lease_terms)
        self._demand = Demand(clock, lease_terms.busy_requests)
        self._purses: dict[str, _Purse] = {}
        self._settling: set[asyncio.Task[Settled]] = set()

    async def take(self, principal: Principal, claim: Claim) -> "PurseHold":
        """Take all of the claim or none. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        tenant = principal.tenant
        self._demand.note(tenant, claim.nano_usd)
        await self._empty_what_is_due(tenant)
        await self._give_back_what_is_of_other_limits(principal)
        paid = self._from_purse(tenant, claim.nano_usd)
        try:
            missing = replace(claim, nano_usd=claim.nano_usd - sum(part.nano_usd for part in paid))
            paid += await self._from_lease(principal, missing.nano_usd)
            missing = replace(claim, nano_usd=claim.nano_usd - sum(part.nano_usd for part in paid))
            taken = await self._tokens.take(principal, missing)
        except BaseException:
            for part in paid:
                await self._put_back(tenant, part)
            raise
        more = (Part(taken.period, missing.nano_usd),) if missing.nano_usd or not paid else ()
        return PurseHold(self, principal, paid + more, Granted(claim, taken.tier))

    async def more(self, principal: Principal, nano_usd: int) -> tuple[Part, ...]:
        """Take more money for a hold. Raises: BudgetSpent, ServiceUnavailable."""
        if parts := await self._from_lease(principal, nano_usd):
            return parts
        taken = await self._tokens.take(principal, Claim(nano_usd, 0))
        return (Part(taken.period, nano_usd),)

    def settling(
        self, principal: Principal, parts: tuple[Part, ...], billed: int, granted: "Granted"
    ) -> asyncio.Task[Settled]:
        """Charge what a hold was billed for, and keep or give back the rest, each part in its own period.

        It runs to its end whoever waits for it, and `close` waits too.
        """
        task = asyncio.create_task(self._settle(principal, parts, billed, granted))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _settle(self, principal: Principal, parts: tuple[Part, ...], billed: int, granted: "Granted") -> Settled:
        claim = granted.claim
        surplus = sum(part.nano_usd for part in parts) - billed
        if surplus < 0:  # a real bill counts, whatever is left
            self._on_fault("billed_beyond_hold")
            await self._balances.give_back(principal.tenant, parts[-1].period, surplus)
        for part in reversed(parts):
            back = max(0, min(part.nano_usd, surplus))
            surplus -= back
            await self._put_back(principal.tenant, replace(part, nano_usd=back), claim.nano_usd)
        await self._empty_what_is_due(principal.tenant)
        return Settled(billed, self._tokens.state(principal) if claim.tokens else None, granted.tier)

    async def close(self) -> None:
        """Give back what is in the purses and in the leases, once what is being settled is in them."""
        if self._settling:
            await asyncio.wait(self._settling)
        await self._leases.close()
        for tenant in tuple(self._purses):
            await self._empty(tenant)

    async def _from_lease(self, principal: Principal, nano_usd: int) -> tuple[Part, ...]:
        """Pay with a lease where there is one, or is worth one. Raises: ServiceUnavailable."""
        if not nano_usd:
            return ()
        lease = await self._leases.spend(principal.tenant, nano_usd)
        if lease is None and (typical := self._demand.typical(principal.tenant)):
            await self._leases.renew(principal, typical)
            lease = await self._leases.spend(principal.tenant, nano_usd)
        return () if lease is None else (Part(lease.leased.period, nano_usd, lease),)

    def _from_purse(self, tenant: str, nano_usd: int) -> tuple[Part, ...]:
        purse = self._purses.get(tenant)
        if purse is None or purse.period < self._balances.moment().period or not min(purse.nano_usd, nano_usd):
            return ()
        taken = min(purse.nano_usd, nano_usd)
        purse.nano_usd -= taken
        return (Part(purse.period, taken),)

    async def _put_back(self, tenant: str, part: Part, claim_nano_usd: int = 0) -> None:
        if part.lease is not None and self._leases.put_back(part.lease, part.nano_usd):
            return
        if not self._into_purse(tenant, part, claim_nano_usd):
            await self._balances.give_back(tenant, part.period, part.nano_usd)

    def _into_purse(self, tenant: str, part: Part, claim_nano_usd: int) -> bool:
        """Put money into the purse; False where the purse holds money of another period."""
        now_s = self._clock.now_s()
        purse = self._purses.get(tenant)
        if purse is None or (purse.nano_usd == 0 and purse.period < part.period):
            purse = self._purses[tenant] = _Purse(part.period, 0, claim_nano_usd, now_s)
        if purse.period != part.period:
            return part.nano_usd == 0
        purse.nano_usd += part.nano_usd
        purse.last_claim_nano_usd = claim_nano_usd or purse.last_claim_nano_usd
        purse.used_s = now_s
        return True

    async def _empty_what_is_due(self, tenant: str) -> None:
        """Empty the tenant's purse where it holds too much, or money of a day that is over, and one that is quiet."""
        purse, today = self._purses.get(tenant), self._balances.moment().period
        if purse and (purse.period < today or self._holds_too_much(tenant, purse)):
            await self._empty(tenant)
        quiet_s = self._clock.now_s() - _QUIET_S
        idle = next((name for name, other in self._purses.items() if other.used_s < quiet_s), None)
        if idle is not None:
            await self._empty(idle)
        await self._leases.end_what_is_due(tenant)

    async def _give_back_what_is_of_other_limits(self, principal: Principal) -> None:
        """Hold nothing beyond a change of limits: who has lowered a budget means the next request already."""
        seen = self._balances.seen(principal.tenant)
        if seen is not None and limit_change(seen, principal.limits):
            await self._leases.end(principal.tenant)
            await self._empty(principal.tenant)

    def _holds_too_much(self, tenant: str, purse: _Purse) -> bool:
        seen = self._balances.seen(tenant)
        usual = max(purse.last_claim_nano_usd, self._demand.mean(tenant))
        return purse.nano_usd > _PURSE_REQUESTS * usual or (seen is not None and nearly_spent(seen))

    async def _empty(self, tenant: str) -> None:
        if purse := self._purses.pop(tenant, None):
            await self._balances.give_back(tenant, purse.period, purse.nano_usd)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a hold was taken for, and the tier that its tokens were served in."""

    claim: Claim
    tier: Tier


class PurseHold:
    """The Hold port: money of one request, perhaps in parts of two days."""

    def __init__(self, ledger: PurseLedger, principal: Principal, parts: tuple[Part, ...], granted: Granted) -> None:
        """Take what was taken."""
        self._ledger = ledger
        self._principal = principal
        self._parts = parts
        self._granted = granted
        self._account = HoldAccount(granted.claim.nano_usd)

    async def attempt(self, bound_nano_usd: int, worst_nano_usd: int) -> PaidAttempt:
        """Cover a call before it is sent. Raises: BudgetSpent, ServiceUnavailable."""
        missing = self._account.missing_for(bound_nano_usd)
        # Both before waiting, or another attempt would count on the same money meanwhile.
        attempt = self._account.start(bound_nano_usd, worst_nano_usd)
        self._account.taken += missing
        if missing:
            try:
                more = await self._ledger.more(self._principal, missing)
            except BaseException:
                self._account.taken -= missing
                attempt.unbilled()
                raise
            self._parts += more
        return attempt

    async def settle(self) -> Settled:
        """End the hold; also when the request is being cancelled, this runs to its end."""
        billed = self._account.billed()
        return await asyncio.shield(self._ledger.settling(self._principal, self._parts, billed, self._granted))
