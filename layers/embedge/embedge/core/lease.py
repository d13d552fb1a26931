"""How is a part of a budget leased to a process, spent in its memory, and given back?

A lease is a charge of `C` in the balance, and an item of its own: `A` of it is authorised for spending, which the
holder raises before it spends, in a write to a key that nobody else writes. Whoever closes the lease first, its holder
(what it has not spent) or `reconcile` (what was not authorised), gives the rest back in the transaction that closes it.

The law: an item goes from open to closed once, and its one credit is in that transaction; a holder spends at most `A`
and reconcile credits `C - A`, so dead, frozen and woken holders are alike, and no clock is needed.
"""

from dataclasses import dataclass, replace

from embedge.core.balance_forms import Period, credit
from embedge.core.conditional_update import Assign, Attribute, Compare, ConditionalUpdate, Item, NewItem

OPEN, CLOSED = 1, 0
PREFIX = "L#"
_KEPT_S = 35 * 86_400


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """When a lease is worth its writes, and how much may be out in leases.

    A chunk is what about `chunk_requests` need, and one of `authorised_part` of it is authorised at once; below
    `fewest_requests`, or before `busy_requests` without a pause of a minute, there is none. Of the smallest limit, one
    part of `most_leased` may be out in leases, one of `least_left` must be left beside, and once dead leases have lost
    one of `most_lost` this month, there are no more.
    """

    busy_requests: int = 8
    chunk_requests: int = 400
    fewest_requests: int = 100
    authorised_part: int = 20
    most_leased: int = 100
    least_left: int = 50
    most_lost: int = 250


DEFAULT_LEASE_TERMS = LeaseTerms()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is leased in which period, and what of it is authorised."""

    nano_usd: int
    authorised: int
    period: Period


@dataclass(frozen=True, slots=True)
class DueLease:
    """A lease that its holder should have closed by now: where it is, and what it says."""

    pk: str
    sk: str
    item: Item

    def tenant(self) -> str:
        """Return whose it is."""
        return self.pk[len(PREFIX) : -len("#00")]


def is_due(lease: DueLease, now_s: float) -> bool:
    """Tell whether a lease is open and its time over."""
    return lease.item["s"] == OPEN and lease.item["e"] < now_s


def partition(tenant: str, number: int) -> str:
    """Return where one of a tenant's leases is: in one of sixteen partitions."""
    return f"{PREFIX}{tenant}#{number % 16:02d}"


def chunk(item: Item, typical_nano_usd: int, terms: LeaseTerms) -> Chunk | None:
    """Return what to lease where a request typically takes so much; None where that is not worth it, or not allowed."""
    smallest = min(item["dl"], item["ml"], item["tl"])
    nano_usd = min(terms.chunk_requests * typical_nano_usd, (smallest // terms.most_leased - item["x"]) // 2)
    if nano_usd < max(1, terms.fewest_requests * typical_nano_usd) or item["lo"] * terms.most_lost >= smallest:
        return None
    if min(item["da"], item["ma"], item["ta"]) < smallest // terms.least_left + nano_usd:
        return None
    return Chunk(nano_usd, max(1, nano_usd // terms.authorised_part), Period(item["mi"], item["di"]))


def charged(leased: Chunk, item: Item, terms: LeaseTerms) -> ConditionalUpdate:
    """Return the balance's part of a new lease: a reservation, as long as leases hold and have lost little."""
    smallest = min(item["dl"], item["ml"], item["tl"])
    floor = smallest // terms.least_left + leased.nano_usd
    taken = (Assign(name, Attribute(name), -leased.nano_usd) for name in ("da", "ma", "ta"))
    return ConditionalUpdate(
        (*taken, Assign("x", Attribute("x"), leased.nano_usd)),
        (
            Compare("di", "=", leased.period.day),
            Compare("mi", "=", leased.period.month),
            *(Compare(name, ">=", floor) for name in ("da", "ma", "ta")),
            Compare("x", "<=", smallest // terms.most_leased - leased.nano_usd),
            Compare("lo", "<", -(-smallest // terms.most_lost)),
        ),
    )


def opened(leased: Chunk, due_s: int) -> ConditionalUpdate:
    """Return the lease's own part: `reconcile` may look at it from `due_s` on."""
    return ConditionalUpdate(
        (
            Assign("C", leased.nano_usd),
            Assign("A", leased.authorised),
            Assign("di", leased.period.day),
            Assign("mi", leased.period.month),
            Assign("s", OPEN),
            Assign("e", due_s),
            Assign("ttl", due_s + _KEPT_S),
        ),
        (NewItem(),),
    )


def advanced(authorised: int, to: int, spent: int) -> ConditionalUpdate:
    """Return the update that authorises more; it may be sent again, since what it says is absolute.

    It notes what is spent, for who has to say what was lost with the holder; nothing is given back by that.
    """
    return ConditionalUpdate(
        (Assign("A", to), Assign("k", spent)), (Compare("s", "=", OPEN), Compare("A", "=", authorised))
    )


def more_authorised(leased: Chunk, authorised: int, needed: int, terms: LeaseTerms) -> int:
    """Return up to where to authorise so that `needed` is within it, and something after it."""
    return min(leased.nano_usd, max(authorised + leased.nano_usd // terms.authorised_part, needed))


def closed(authorised: int) -> ConditionalUpdate:
    """Return the lease's part of its end."""
    return ConditionalUpdate((Assign("s", CLOSED),), (Compare("s", "=", OPEN), Compare("A", "=", authorised)))


def credited(balance: Item | None, leased: Chunk, kept: int, lost: int) -> ConditionalUpdate:
    """Return the balance's part of its end: all but what is `kept` goes back to its period; `lost` is noted."""
    back = credit(balance, leased.nano_usd - kept, leased.period)
    steps = (*back.assignments, Assign("x", Attribute("x"), -leased.nano_usd))
    if lost and any(step.target == "ma" for step in steps):
        steps += (Assign("lo", Attribute("lo"), lost),)
    return replace(back, assignments=steps)


def lost_of(item: Item) -> int:
    """Return what was authorised and, as far as its holder has said, not spent."""
    return item["A"] - item.get("k", 0)


def chunk_of(item: Item) -> Chunk:
    """Return what the item of a lease says of it."""
    return Chunk(item["C"], item["A"], Period(item["mi"], item["di"]))
