"""Is this tenant one of the few new ones that its issuer may bring? Counted in the ledger's table."""

from collections import OrderedDict

from embedge.core.conditional_update import Applied, Item
from embedge.core.issuer import Issuer
from embedge.core.newcomers import IS_KNOWN, NOTE_AS_KNOWN, count_one
from embedge.errors import ServiceUnavailable, TenantBlocked
from embedge.ports import Clock, LedgerTable

_MOST_REMEMBERED = 10_000
_MOST_UPDATES = 10
_DAY_S = 86_400
# Who was refused is refused for so long without asking again.
_PAUSE_S = 60


class AnyNewcomers:
    """The Newcomers port for who only looks: everybody may come, and nobody is counted."""

    async def admit(self, issuer: Issuer, tenant: str) -> None:
        """Let pass."""


class LedgerNewcomers:
    """The Newcomers port. A tenant that a process has seen costs nothing more; the first time, one write."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        """Take where they are counted, and the time."""
        self._table = table
        self._clock = clock
        self._until_s: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def admit(self, issuer: Issuer, tenant: str) -> None:
        """Let a tenant pass that is known, or may still come. Raises: TenantBlocked, ServiceUnavailable."""
        known = (issuer.version, tenant)
        refused_until_s = self._until_s.get(known)
        if refused_until_s == 0:
            return
        if refused_until_s is None or refused_until_s <= self._clock.now_s():
            comes = await self._comes(issuer, tenant)
            refused_until_s = 0 if comes else self._clock.now_s() + _PAUSE_S
            self._until_s[known] = refused_until_s
            if len(self._until_s) > _MOST_REMEMBERED:
                self._until_s.popitem(last=False)
        if refused_until_s:
            raise TenantBlocked(
                "This tenant is new, and the issuer of its token has brought as many as it may for now. "
                "Ask the operators of this deployment."
            )

    async def _comes(self, issuer: Issuer, tenant: str) -> bool:
        mine = f"NEWCOMER#{issuer.name}#{tenant}"
        if isinstance(await self._table.apply(mine, "known", IS_KNOWN), Applied):
            return True
        if not await self._counted(issuer):
            return False
        await self._table.apply(mine, "known", NOTE_AS_KNOWN)
        return True

    async def _counted(self, issuer: Issuer) -> bool:
        item: Item | None = None
        for _ in range(_MOST_UPDATES):
            update = issuer.newcomers and count_one(item, issuer.newcomers, int(self._clock.now_s() // _DAY_S))
            if update is None:
                return False
            outcome = await self._table.apply(f"NEWCOMERS#{issuer.name}", "count", update)
            if isinstance(outcome, Applied):
                return True
            item = outcome.item
        raise ServiceUnavailable("Too many new tenants come at once. Please try again.", retry_after_s=1)
