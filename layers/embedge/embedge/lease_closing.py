"""What becomes of the leases of dead processes? What was never authorised goes back; the rest is lost, and reported.

The law: a lease is closed once, by whoever is first, and its credit is in the transaction that closes it. So this can
run at any time, twice, or beside itself and the holders: one that lives after all spends what it had authorised, which
stays charged, and takes a new lease. Nothing here decides by a clock but when to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from embedge.core.conditional_update import Item, ItemUpdate
from embedge.core.lease import OPEN, DueLease, chunk_of, closed, credited, lost_of
from embedge.errors import ServiceUnavailable
from embedge.ports import LeaseItems, LedgerTable

_BALANCE = "B"
_MOST_UPDATES = 6


@dataclass(frozen=True, slots=True)
class ClosedLease:
    """A lease that was closed here: what its tenant has back, and what is written off with its holder."""

    tenant: str
    given_back_nano_usd: int
    lost_nano_usd: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was closed, and how many leases are left for the next time because nobody knows what became of them."""

    closed: Sequence[ClosedLease]
    unknown: int


async def close_dead_leases(table: LedgerTable, leases: LeaseItems, now_s: float) -> Report:
    """Close every lease whose holder should have by now. Raises: ServiceUnavailable where none can be listed."""
    ended = [await _close(table, lease) for lease in await leases.due(now_s)]
    return Report([one for one in ended if isinstance(one, ClosedLease)], ended.count("unknown"))


async def _close(table: LedgerTable, due: DueLease) -> ClosedLease | Literal["by another", "unknown"]:
    item, balance = due.item, None
    for _ in range(_MOST_UPDATES):
        try:
            of_balance, of_lease = await table.transact(*_end(due, item, balance))
        except ServiceUnavailable:
            return "unknown"
        if of_lease is not None:
            if of_lease.item is None or of_lease.item["s"] != OPEN:
                return "by another"
            item = of_lease.item
        elif of_balance is not None:
            if of_balance.item is None:  # there is no such account any more, so nothing to give back to
                return "unknown"
            balance = of_balance.item
        else:
            return ClosedLease(due.tenant(), item["C"] - item["A"], lost_of(item))
    return "unknown"


def _end(due: DueLease, item: Item, balance: Item | None) -> tuple[ItemUpdate, ItemUpdate]:
    back = credited(balance, chunk_of(item), kept=item["A"], lost=lost_of(item))
    return ItemUpdate(due.tenant(), _BALANCE, back), ItemUpdate(due.pk, due.sk, closed(item["A"]))
