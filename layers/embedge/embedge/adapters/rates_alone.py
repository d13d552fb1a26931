"""What bounds a rate while the table cannot be reached? Each process admits a tenth of it, by itself."""

from collections import OrderedDict
from dataclasses import replace

from embedge.core.balance import Limited
from embedge.core.conditional_update import Item, evaluate
from embedge.core.gcra import Rates, RateState, Tier, Want

_SHARE = 10
_MOST_REMEMBERED = 10_000
_FLEX_WAIT_US = 5_000_000


class RatesAlone:
    """The arrival times of one process, of one kind of rate: there is no over-limit and no flex."""

    def __init__(self) -> None:
        """Start with nobody known."""
        self._items: OrderedDict[str, Item] = OrderedDict()

    def admit(self, tenant: str, rates: Rates, want: Want) -> RateState | Limited:
        """Admit the units, or say how long they have to wait."""
        item = self._items.get(tenant)
        tenth = Rates(tuple(replace(r, per_minute=max(1, r.per_minute // _SHARE), over_percent=0) for r in rates.rates))
        tier: Tier = "default"
        if want.tier == "flex":
            return Limited(tenth.state(item, want.now_us), _FLEX_WAIT_US)
        wish = Want(want.units, want.now_us, tier)
        after = evaluate(tenth.step(item, wish), item)
        if after is None:
            return Limited(tenth.state(item, want.now_us), tenth.soonest_us(item, wish, (tier,)))
        self._items[tenant] = after
        self._items.move_to_end(tenant)
        if len(self._items) > _MOST_REMEMBERED:
            self._items.popitem(last=False)
        return tenth.state(after, want.now_us)
