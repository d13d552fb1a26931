"""How does a tenant's balance get new limits at once, before any of its requests comes?"""

from embedge.core.conditional_update import Applied, Assign, Attribute, Compare, ConditionalUpdate, Item
from embedge.core.limit_change import limit_change
from embedge.core.request import Limits
from embedge.errors import ServiceUnavailable
from embedge.ports import LedgerTable

_BALANCE = "B"
_MOST_UPDATES = 8
# It changes nothing and is refused by every item, whose refusal shows it.
_LOOK = ConditionalUpdate((Assign("cv", Attribute("cv")),), (Compare("cv", "<", -1),))


async def follow_limits(table: LedgerTable, tenant: str, limits: Limits) -> Item | None:
    """Give a tenant's balance these limits; return it as it stands then, None where the tenant has none yet.

    What processes do by themselves with the tenant's next request; it can be called again without harm.
    Raises: ServiceUnavailable, where nobody knows whether it was done.
    """
    update = _LOOK
    for _ in range(_MOST_UPDATES):
        outcome = await table.apply(tenant, _BALANCE, update)
        change = None if outcome.item is None else limit_change(outcome.item, limits)
        if isinstance(outcome, Applied) or change is None:
            return outcome.item
        update = change
    raise ServiceUnavailable("The tenant's balance keeps changing. Please try again.", retry_after_s=1)
