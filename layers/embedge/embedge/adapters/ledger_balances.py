"""How are money and tokens taken from a tenant's balance, and money given back? By what its item showed last.

A write with an unknown outcome counts against us: a reservation as not had, a return as made.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from embedge.adapters.ledger_refusal import refusal
from embedge.core.balance import (
    Adjust,
    Claim,
    Moment,
    Step,
    Terms,
    first_step,
    most_updates,
    next_step,
    out_of_tokens,
)
from embedge.core.balance_forms import Period, credit
from embedge.core.conditional_update import Applied, Item, ItemUpdate, Refusals, Refused
from embedge.core.gcra import Tier
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, LedgerTable

BALANCE = "B"
_MOST_RETURNS = 5
_MOST_REMEMBERED = 10_000
_LARGEST_CLOCK_LEAD_S = 2
UNREACHABLE = "The budget ledger cannot be reached just now, so nothing was sent to the provider. Please try again."


@dataclass(frozen=True, slots=True)
class Taken:
    """What a claim was granted: the period that its money belongs to, and the tier of its tokens."""

    period: Period
    tier: Tier


class Balances:
    """The balances of all tenants, and what this process saw of them last."""

    def __init__(self, table: LedgerTable, clock: Clock) -> None:
        """Take where the balances are, and the time."""
        self._table = table
        self._clock = clock
        self._seen: OrderedDict[str, Item] = OrderedDict()

    def seen(self, tenant: str) -> Item | None:
        """Return the balance as it was last shown."""
        return self._seen.get(tenant)

    def moment(self) -> Moment:
        """Return this process's time, and the period that it lies in."""
        now_s = self._clock.now_s()
        today = datetime.fromtimestamp(now_s, UTC)
        return Moment(int(now_s * 1_000_000), Period(today.year * 12 + today.month, today.toordinal()))

    async def take(self, tenant: str, terms: Terms, claim: Claim) -> Taken:
        """Take all of the claim or none. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        moment = self.moment()
        seen = self._seen.get(tenant)
        if seen and (limited := out_of_tokens(seen, claim, terms, moment)):
            raise refusal(limited, claim, moment)
        current = seen if seen and Period(seen["mi"], seen["di"]) >= moment.period else None
        step: Step | Adjust = first_step(current, claim, terms, moment)
        for _ in range(most_updates(terms)):
            outcome = await self._table.apply(tenant, BALANCE, step.update)
            self._remember(tenant, outcome.item)
            if isinstance(outcome, Applied) and isinstance(step, Step):
                return Taken(step.period, step.tier)
            decision = next_step(outcome.item, claim, terms, moment)
            if not isinstance(decision, Step | Adjust):
                raise refusal(decision, claim, moment)
            if isinstance(outcome, Refused):
                self._distrust_a_fast_clock(outcome, moment)
            step = decision
        raise ServiceUnavailable(UNREACHABLE, retry_after_s=1)

    async def give_back(self, tenant: str, period: Period, nano_usd: int) -> None:
        """Return money to its period, or charge it there where negative.

        An unknown outcome counts against us: a return as done, a charge as not done.
        """
        if nano_usd == 0:
            return
        item = self._seen.get(tenant)
        for _ in range(_MOST_RETURNS):
            try:
                outcome = await self._table.apply(tenant, BALANCE, credit(item, nano_usd, period))
            except ServiceUnavailable:
                if nano_usd > 0:
                    return
                continue
            self._remember(tenant, outcome.item)
            if isinstance(outcome, Applied):
                return
            item = outcome.item

    async def transact(self, tenant: str, balance: ItemUpdate, other: ItemUpdate) -> Refusals:
        """Change the tenant's balance and another item. Raises: ServiceUnavailable."""
        refusals = await self._table.transact(balance, other)
        if refusals[0] is not None:
            self._remember(tenant, refusals[0].item)
        return refusals

    def _distrust_a_fast_clock(self, refused: Refused, moment: Moment) -> None:
        """Refuse to open a period early. Raises: ServiceUnavailable."""
        item = refused.item
        opens = item is None or Period(item["mi"], item["di"]) < moment.period
        if opens and self._clock.now_s() - refused.store_time_s > _LARGEST_CLOCK_LEAD_S:
            raise ServiceUnavailable(UNREACHABLE, retry_after_s=5)

    def _remember(self, tenant: str, item: Item | None) -> None:
        self._seen.pop(tenant, None)
        if item is not None:
            self._seen[tenant] = item
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
