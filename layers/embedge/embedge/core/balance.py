"""What does the ledger's next step on a tenant's balance say: reserve, re-open a period, open the account, or refuse?

One item holds what is left of every period that binds: `di da dl` (day: its number, available, limit), `mi ma ml`
(month), `ta tl` (total), in nano-dollars; `cv`, the version of the limits; `x`, what is leased out; `lo`, what dead
leases lost this month; and the token rates' arrival times, so that money and tokens are taken in one write. A hold is a
charge: only its holder may reduce it.

The law: per period, limit = available + taken out, and what is taken out grows only where available >= amount.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from embedge.core.allowance import rates_of, tiers_of
from embedge.core.balance_forms import Form, Period, available, form_of, taking
from embedge.core.conditional_update import ConditionalUpdate, Item
from embedge.core.gcra import Rates, RateState, Tier, Want
from embedge.core.limit_change import has_limits, limit_change
from embedge.core.request import Limits, Principal, ServiceTier


@dataclass(frozen=True, slots=True)
class Claim:
    """Money in nano-dollars and tokens, to be taken together or not at all, in a tier that the request asks for.

    `ahead_us` is how long the tokens may be used from now on; 0 where they are used at once.
    """

    nano_usd: int
    tokens: int
    asks: ServiceTier | None = None
    ahead_us: int = 0

    def is_nothing(self) -> bool:
        """Tell whether there is nothing to take."""
        return self.nano_usd == 0 and self.tokens == 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What binds a tenant's claims: its limits, and the rates of its tokens (none where it is exempt)."""

    limits: Limits
    rates: Rates

    @classmethod
    def of(cls, principal: Principal) -> "Terms":
        """Return what binds who asks."""
        return cls(principal.limits, rates_of(principal, "tokens"))


@dataclass(frozen=True, slots=True)
class Settled:
    """What a hold came to: nano-dollars billed, the token rate as the ledger last showed it, and the tokens' tier."""

    billed_nano_usd: int
    rate: RateState | None
    tier: Tier = "default"


@dataclass(frozen=True, slots=True)
class Adjust:
    """The item has not got the tenant's limits yet: an update to carry out first, which takes nothing."""

    update: ConditionalUpdate


@dataclass(frozen=True, slots=True)
class Step:
    """An update to try, and if it is applied, the period that the money belongs to and the tier of the tokens."""

    update: ConditionalUpdate
    period: Period
    tier: Tier


@dataclass(frozen=True, slots=True)
class Denied:
    """There is not enough money in a period."""

    period: Literal["day", "month", "total"]


@dataclass(frozen=True, slots=True)
class Limited:
    """There are not enough tokens: what is left of them, and how long until they would fit, in microseconds.

    None where they never do.
    """

    rate: RateState
    wait_us: int | None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made, by the deciding process's own clock."""

    now_us: int
    period: Period


Decision: TypeAlias = Step | Adjust | Denied | Limited


def first_step(item: Item | None, claim: Claim, terms: Terms, moment: Moment) -> Step | Adjust:
    """Return the update to try first. `item` is what was last seen, None where nothing was; it is never refused by."""
    if item is None:
        step = _take("same", claim, _Context(None, terms, moment.now_us, moment.period))
        # Of an item that this process never saw it does not know the limits: with others it is refused, and shown.
        known = ConditionalUpdate(step.update.assignments, (*step.update.conditions, *has_limits(terms.limits)))
        return replace(step, update=known)
    context = _context(item, terms, moment)
    return _adjust(context) or _take(form_of(item, moment.period), claim, context)


def next_step(item: Item | None, claim: Claim, terms: Terms, moment: Moment) -> Decision:
    """Return what to do after a refusal that showed `item`: another update, or a refusal that is true of that item."""
    context = _context(item, terms, moment)
    form = "open" if item is None else form_of(item, moment.period)
    return _adjust(context) or _denial(form, claim, context) or _take(form, claim, context)


def out_of_tokens(item: Item, claim: Claim, terms: Terms, moment: Moment) -> Limited | None:
    """Return the refusal that is true of what was last seen, whatever happened since: times only grow."""
    return _limited(claim, _context(item, terms, moment))


def most_updates(terms: Terms) -> int:
    """Return after how many updates a claim is decided, but for races at the border of a period."""
    return 4 + terms.rates.most_updates()


@dataclass(frozen=True, slots=True)
class _Context:
    item: Item | None
    terms: Terms
    now_us: int
    period: Period


def _context(item: Item | None, terms: Terms, moment: Moment) -> _Context:
    seen = moment.period if item is None else Period(item["mi"], item["di"])
    # An item that is newer than our clock sets the period: time is never rolled back.
    return _Context(item, terms, moment.now_us, max(seen, moment.period))


def _adjust(context: _Context) -> Adjust | None:
    update = None if context.item is None else limit_change(context.item, context.terms.limits)
    return Adjust(update) if update else None


def _denial(form: Form, claim: Claim, context: _Context) -> Denied | Limited | None:
    if claim.nano_usd:
        day, month, total = available(form, context.item, context.terms.limits)
        if total < claim.nano_usd:
            return Denied("total")
        if month < claim.nano_usd:
            return Denied("month")
        if day < claim.nano_usd:
            return Denied("day")
    return _limited(claim, context)


def _limited(claim: Claim, context: _Context) -> Limited | None:
    rates, tiers = context.terms.rates, tiers_of(context.terms.limits, claim.asks)
    want = Want(claim.tokens, context.now_us, ahead_us=claim.ahead_us)
    if not claim.tokens or not rates.rates or rates.tier(context.item, want, tiers) is not None:
        return None
    return Limited(rates.state(context.item, context.now_us), rates.soonest_us(context.item, want, tiers))


def _take(form: Form, claim: Claim, context: _Context) -> Step:
    money = taking(form, claim.nano_usd, context.period, context.terms.limits)
    rates, tiers = context.terms.rates, tiers_of(context.terms.limits, claim.asks)
    want = Want(claim.tokens, context.now_us, ahead_us=claim.ahead_us)
    tier = rates.tier(context.item, want, tiers) or tiers[0]
    if not claim.tokens:
        return Step(money, context.period, tier)
    tokens = rates.step(context.item, replace(want, tier=tier))
    conditions = () if form == "open" else tokens.conditions
    update = ConditionalUpdate(money.assignments + tokens.assignments, money.conditions + conditions)
    return Step(update, context.period, tier)
