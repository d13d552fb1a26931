"""How is money taken before it is spent? One conditional write for most requests, through a purse in each process.

A process pays requests from what it took; what a request leaves over stays in the purse and pays the next one of the
same day. The law, whatever dies or hangs: billed <= budget in every period, because a hold is a charge that only its
holder may reduce, and a write with an unknown outcome counts against us: a reservation as not had, a return as made.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from embedge.adapters.ledger_refusal import refusal
from embedge.core.balance import (
    Claim,
    Limited,
    Moment,
    Period,
    Settled,
    Step,
    credit,
    first_step,
    nearly_spent,
    next_step,
)
from embedge.core.conditional_update import Applied, Item, Refused
from embedge.core.gcra import Rate
from embedge.core.hold import HoldAccount, PaidAttempt
from embedge.core.request import Principal
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, LedgerTable

_BALANCE = "B"
_MOST_UPDATES = 5
_MOST_REMEMBERED = 10_000
# A purse keeps what about this many requests need, and goes back when it has not been used for a while.
_PURSE_REQUESTS = 4
_QUIET_S = 60
_LARGEST_CLOCK_LEAD_S = 2
_UNREACHABLE = "The budget ledger cannot be reached just now, so nothing was sent to the provider. Please try again."


@dataclass(slots=True)
class _Purse:
    """What a process holds of one tenant's money, all of it taken in one period."""

    period: Period
    nano_usd: int
    last_claim_nano_usd: int
    used_s: float


@dataclass(frozen=True, slots=True)
class _Part:
    """Money, and the period that it was taken from and goes back to."""

    period: Period
    nano_usd: int


class PurseLedger:
    """The Ledger port over the ledger's table."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        """Take where the balances are, and the time."""
        self._table = table
        self._clock = clock
        self._purses: dict[str, _Purse] = {}
        self._seen: OrderedDict[str, Item] = OrderedDict()
        self._settling: set[asyncio.Task[Settled]] = set()

    async def take(self, principal: Principal, claim: Claim) -> "PurseHold":
        """Take all of the claim or none. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        await self._empty_what_is_due(principal.tenant)
        paid = self._from_purse(principal.tenant, claim.nano_usd)
        missing = Claim(claim.nano_usd - sum(part.nano_usd for part in paid), claim.tokens)
        try:
            more = () if missing.is_nothing() else (await self.reserve(principal, missing),)
        except BaseException:
            for part in paid:
                await self._put_back(principal.tenant, part)
            raise
        return PurseHold(self, principal, paid + more, claim)

    async def reserve(self, principal: Principal, claim: Claim) -> _Part:
        """Take from the ledger itself. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        moment = self._moment()
        seen = self._seen.get(principal.tenant)
        rate = _rate(principal)
        if seen and claim.tokens and (wait_us := rate.wait_us(seen, claim.tokens, moment.now_us)):
            raise refusal(Limited(rate.state(seen, moment.now_us), wait_us), claim, moment)  # times only grow
        current = seen if seen and Period(seen["mi"], seen["di"]) >= moment.period else None
        step = first_step(current, claim, principal.limits, moment)
        for _ in range(_MOST_UPDATES):
            outcome = await self._table.apply(principal.tenant, _BALANCE, step.update)
            self._remember(principal.tenant, outcome.item)
            if isinstance(outcome, Applied):
                return _Part(step.period, claim.nano_usd)
            decision = next_step(outcome.item, claim, principal.limits, moment)
            if not isinstance(decision, Step):
                raise refusal(decision, claim, moment)
            self._distrust_a_fast_clock(outcome, decision)
            step = decision
        raise ServiceUnavailable(_UNREACHABLE, retry_after_s=1)

    def settling(
        self, principal: Principal, parts: tuple[_Part, ...], billed: int, claim: Claim
    ) -> asyncio.Task[Settled]:
        """Charge what a hold was billed for, and keep or give back the rest, each part in its own period.

        It runs to its end whoever waits for it, and `close` waits too.
        """
        task = asyncio.create_task(self._settle(principal, parts, billed, claim))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _settle(self, principal: Principal, parts: tuple[_Part, ...], billed: int, claim: Claim) -> Settled:
        surplus = sum(part.nano_usd for part in parts) - billed
        if surplus < 0:
            await self._give_back(principal.tenant, _Part(parts[-1].period, surplus))
        for part in reversed(parts):
            back = max(0, min(part.nano_usd, surplus))
            surplus -= back
            await self._put_back(principal.tenant, _Part(part.period, back), claim.nano_usd)
        await self._empty_what_is_due(principal.tenant)
        seen = self._seen.get(principal.tenant)
        return Settled(billed, _rate(principal).state(seen, self._moment().now_us) if claim.tokens else None)

    async def close(self) -> None:
        """Give back what is in the purses, once what is being settled is in them."""
        if self._settling:
            await asyncio.wait(self._settling)
        for tenant in tuple(self._purses):
            await self._empty(tenant)

    def _from_purse(self, tenant: str, nano_usd: int) -> tuple[_Part, ...]:
        purse = self._purses.get(tenant)
        if purse is None or purse.period < self._moment().period or not min(purse.nano_usd, nano_usd):
            return ()
        taken = min(purse.nano_usd, nano_usd)
        purse.nano_usd -= taken
        return (_Part(purse.period, taken),)

    async def _put_back(self, tenant: str, part: _Part, claim_nano_usd: int = 0) -> None:
        if not self._into_purse(tenant, part, claim_nano_usd):
            await self._give_back(tenant, part)

    def _into_purse(self, tenant: str, part: _Part, claim_nano_usd: int) -> bool:
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
        purse, today = self._purses.get(tenant), self._moment().period
        if purse and (purse.period < today or self._holds_too_much(tenant, purse)):
            await self._empty(tenant)
        quiet_s = self._clock.now_s() - _QUIET_S
        idle = next((name for name, other in self._purses.items() if other.used_s < quiet_s), None)
        if idle is not None:
            await self._empty(idle)

    def _holds_too_much(self, tenant: str, purse: _Purse) -> bool:
        seen = self._seen.get(tenant)
        return purse.nano_usd > _PURSE_REQUESTS * purse.last_claim_nano_usd or (seen is not None and nearly_spent(seen))

    async def _empty(self, tenant: str) -> None:
        if purse := self._purses.pop(tenant, None):
            await self._give_back(tenant, _Part(purse.period, purse.nano_usd))

    async def _give_back(self, tenant: str, part: _Part) -> None:
        """Return money to its period, or charge it there where negative.

        An unknown outcome counts against us: a return as done, a charge as not done.
        """
        if part.nano_usd == 0:
            return
        item = self._seen.get(tenant)
        for _ in range(_MOST_UPDATES):
            try:
                outcome = await self._table.apply(tenant, _BALANCE, credit(item, part.nano_usd, part.period))
            except ServiceUnavailable:
                if part.nano_usd > 0:
                    return
                continue
            self._remember(tenant, outcome.item)
            if isinstance(outcome, Applied):
                return
            item = outcome.item

    def _distrust_a_fast_clock(self, refused: Refused, step: Step) -> None:
        """Refuse to open a period early. Raises: ServiceUnavailable."""
        item = refused.item
        opens = item is None or Period(item["mi"], item["di"]) < step.period
        if opens and self._clock.now_s() - refused.store_time_s > _LARGEST_CLOCK_LEAD_S:
            raise ServiceUnavailable(_UNREACHABLE, retry_after_s=5)

    def _moment(self) -> Moment:
        now_s = self._clock.now_s()
        today = datetime.fromtimestamp(now_s, UTC)
        return Moment(int(now_s * 1_000_000), Period(today.year * 12 + today.month, today.toordinal()))

    def _remember(self, tenant: str, item: Item | None) -> None:
        self._seen.pop(tenant, None)
        if item is not None:
            self._seen[tenant] = item
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)


class PurseHold:
    """The Hold port: money of one request, perhaps in parts of two days."""

    def __init__(self, ledger: PurseLedger, principal: Principal, parts: tuple[_Part, ...], claim: Claim) -> None:
        """Take what was taken."""
        self._ledger = ledger
        self._principal = principal
        self._parts = parts
        self._claim = claim
        self._account = HoldAccount(claim.nano_usd)

    async def attempt(self, bound_nano_usd: int, worst_nano_usd: int) -> PaidAttempt:
        """Cover a call before it is sent. Raises: BudgetSpent, ServiceUnavailable."""
        missing = self._account.missing_for(bound_nano_usd)
        # Both before waiting, or another attempt would count on the same money meanwhile.
        attempt = self._account.start(bound_nano_usd, worst_nano_usd)
        self._account.taken += missing
        if missing:
            try:
                more = await self._ledger.reserve(self._principal, Claim(missing, 0))
            except BaseException:
                self._account.taken -= missing
                attempt.unbilled()
                raise
            self._parts += (more,)
        return attempt

    async def settle(self) -> Settled:
        """End the hold; also when the request is being cancelled, this runs to its end."""
        billed = self._account.billed()
        return await asyncio.shield(self._ledger.settling(self._principal, self._parts, billed, self._claim))


def _rate(principal: Principal) -> Rate:
    return Rate("tokens", principal.limits.tokens_per_minute)
