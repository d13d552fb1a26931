"""How does a process hold a lease: take it, authorise more of it, spend it in memory, and close it?

Every write can be sent again, and whatever is unknown counts against us: see `core/lease.py`.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Literal

from embedge.adapters.ledger_balances import BALANCE, Balances
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import Applied, ConditionalUpdate, ItemUpdate
from embedge.core.lease import (
    OPEN,
    Chunk,
    LeaseTerms,
    advanced,
    charged,
    chunk,
    closed,
    credited,
    more_authorised,
    opened,
    partition,
)
from embedge.core.limit_change import limit_change
from embedge.core.request import Principal
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, LedgerTable

# Its holder closes a lease that is older than this, or unused for so long; `reconcile` looks at what is older still.
_OLDEST_S = 600
_QUIET_S = 60
_DUE_AFTER_S = 900
_MOST_UPDATES = 4
_MOST_UNKNOWN = 2


@dataclass(eq=False, slots=True)
class Lease:
    """A lease as its holder knows it; `over` once it can neither be authorised further nor spent from."""

    tenant: str
    pk: str
    sk: str
    leased: Chunk
    authorised: int
    opened_s: float
    used_s: float
    spent: int = 0
    sealed: bool = False  # closed by somebody else: what was authorised may still be spent
    over: bool = False
    advancing: asyncio.Task[None] | None = None


class Leases:
    """The leases of this process, one a tenant."""

    def __init__(
        self,
        table: LedgerTable,
        balances: Balances,
        clock: Clock,
        terms: LeaseTerms,
    ) -> None:
        """Take where leases are, the balances, the time, and when a lease is worth it."""
        self._table = table
        self._balances = balances
        self._clock = clock
        self._terms = terms
        self._leases: dict[str, Lease] = {}
        self._opening: dict[str, asyncio.Task[ServiceUnavailable | None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def spend(self, tenant: str, nano_usd: int) -> Lease | None:
        """Pay from the tenant's lease, and return it; None where there is none that covers this."""
        lease = self._leases.get(tenant)
        while lease is not None and self._needs_more(lease, nano_usd):
            before = lease.authorised
            await self._authorise(lease, lease.spent + nano_usd)
            if lease.authorised == before:
                break
        if lease is None or lease.over or lease.leased.period < self._today():
            return None
        if lease.spent + nano_usd > lease.authorised:
            return None
        lease.spent += nano_usd
        lease.used_s = self._clock.now_s()
        return lease

    def put_back(self, lease: Lease, nano_usd: int) -> bool:
        """Put back what was not spent; False where the lease is over, and what it covered is plain money by now."""
        if lease.over:
            return False
        lease.spent -= nano_usd
        return True

    async def renew(self, principal: Principal, typical_nano_usd: int) -> None:
        """Close a lease that is used up, and take a new one where that is worth it. Raises: ServiceUnavailable."""
        tenant = principal.tenant
        lease = self._leases.get(tenant)
        if lease is not None:
            if not lease.sealed and lease.spent + typical_nano_usd <= lease.leased.nano_usd:
                return  # it could not be authorised further just now
            await self.end(tenant)
        seen = self._balances.seen(tenant)
        if seen is None or Period(seen["mi"], seen["di"]) < self._today() or limit_change(seen, principal.limits):
            return
        leased = chunk(seen, typical_nano_usd, self._terms)
        if leased is None or tenant in self._opening or tenant in self._leases:
            return
        # Whoever asked may be cancelled; what is on its way is still had.
        self._opening[tenant] = opening = asyncio.create_task(
            self._open(principal, leased, charged(leased, seen, self._terms))
        )
        opening.add_done_callback(lambda _: self._opening.pop(tenant, None))
        if (fault := await asyncio.shield(opening)) is not None:
            raise fault

    async def end_what_is_due(self, tenant: str) -> None:
        """Close the tenant's lease where its time is over, and one that is quiet."""
        lease, now_s = self._leases.get(tenant), self._clock.now_s()
        if lease and (lease.leased.period < self._today() or now_s - lease.opened_s > _OLDEST_S):
            await self.end(tenant)
        quiet = (name for name, other in self._leases.items() if other.used_s < now_s - _QUIET_S)
        if (idle := next(quiet, None)) is not None:
            await self.end(idle)

    async def end(self, tenant: str) -> None:
        """Close the tenant's lease: what was not spent goes back. It runs to its end whoever waits for it."""
        if (lease := self._leases.pop(tenant, None)) is not None:
            lease.over = True
            task = asyncio.create_task(self._close(lease))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            await asyncio.shield(task)

    async def close(self) -> None:
        """Close every lease."""
        if self._opening:
            await asyncio.wait(tuple(self._opening.values()))
        for tenant in tuple(self._leases):
            await self.end(tenant)
        if self._ending:
            await asyncio.wait(self._ending)

    def _needs_more(self, lease: Lease, nano_usd: int) -> bool:
        more = lease.spent + nano_usd > lease.authorised
        return more and not lease.over and not lease.sealed and lease.spent + nano_usd <= lease.leased.nano_usd

    async def _open(self, principal: Principal, leased: Chunk, charge: ConditionalUpdate) -> ServiceUnavailable | None:
        """Take a lease; return why nobody knows whether it was taken."""
        tenant, name, now_s = principal.tenant, secrets.token_hex(8), self._clock.now_s()
        lease = Lease(tenant, partition(tenant, int(name[-1], 16)), name, leased, leased.authorised, now_s, now_s)
        part = opened(leased, int(now_s) + _DUE_AFTER_S)
        try:
            refusals = await self._balances.transact(
                tenant, ItemUpdate(tenant, BALANCE, charge), ItemUpdate(lease.pk, name, part)
            )
        except ServiceUnavailable as error:
            return error
        if refusals == (None, None):
            self._leases[tenant] = lease
        return None

    async def _authorise(self, lease: Lease, needed: int) -> None:
        """Have more authorised, once for all who wait for it."""
        if lease.advancing is None or lease.advancing.done():
            to = more_authorised(lease.leased, lease.authorised, needed, self._terms)
            lease.advancing = asyncio.create_task(self._advance(lease, to))
        await asyncio.shield(lease.advancing)

    async def _advance(self, lease: Lease, to: int) -> None:
        for _ in range(_MOST_UPDATES):
            try:
                outcome = await self._table.apply(lease.pk, lease.sk, advanced(lease.authorised, to, lease.spent))
            except ServiceUnavailable:
                return
            if isinstance(outcome, Applied):
                lease.authorised = to
                return
            if outcome.item is None or outcome.item["s"] != OPEN:
                lease.sealed = True
                return
            lease.authorised = outcome.item["A"]  # by a write of ours whose reply was lost
            if lease.authorised >= to:
                return

    async def _close(self, lease: Lease) -> None:
        """End a lease with what is spent of it, whoever is faster; where nobody can tell, `reconcile` will."""
        if lease.advancing is not None:
            await asyncio.wait([lease.advancing])
        unknown, kept = 0, lease.spent
        for _ in range(_MOST_UPDATES):
            try:
                ended = await self._try_to_close(lease, kept)
            except ServiceUnavailable:
                unknown += 1
                if unknown == _MOST_UNKNOWN:
                    return
                continue
            if ended == "by another" and not unknown:  # what was authorised is still ours
                await self._balances.give_back(lease.tenant, lease.leased.period, lease.authorised - kept)
            if ended != "not yet":
                return

    async def _try_to_close(self, lease: Lease, kept: int) -> Literal["now", "not yet", "by another"]:
        back = credited(self._balances.seen(lease.tenant), lease.leased, kept, lost=0)
        _, of_lease = refusals = await self._balances.transact(
            lease.tenant,
            ItemUpdate(lease.tenant, BALANCE, back),
            ItemUpdate(lease.pk, lease.sk, closed(lease.authorised)),
        )
        if refusals == (None, None):
            return "now"
        if of_lease is not None:
            if of_lease.item is None or of_lease.item["s"] != OPEN:
                return "by another"
            lease.authorised = of_lease.item["A"]
        return "not yet"

    def _today(self) -> Period:
        return self._balances.moment().period
