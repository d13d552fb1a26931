"""How do a balance's limits follow those of its tenant?

Whoever sees an item with other limits changes them, before it takes anything: no limit waits for somebody to apply it.
The update can be sent again without harm, and keeps what is out: available grows by as much as the limit. A version
never goes back. The deployment's defaults are version 0 and have no order: whoever runs with them sets them, so while a
deployment changes them the two may alternate, each time lawfully, until the old processes are gone.
"""

from embedge.core.conditional_update import Assign, Attribute, Compare, ConditionalUpdate, Item
from embedge.core.request import Limits

_AVAILABLE = {"dl": "da", "ml": "ma", "tl": "ta"}


def has_limits(limits: Limits) -> tuple[Compare, ...]:
    """Return what is true of a balance that has exactly these limits."""
    wanted = {"dl": limits.day_nano_usd, "ml": limits.month_nano_usd, "tl": limits.total_nano_usd, "cv": limits.version}
    return tuple(Compare(name, "=", value) for name, value in wanted.items())


def limit_change(item: Item, limits: Limits) -> ConditionalUpdate | None:
    """Return the update that gives a balance these limits; None where it has them, or newer ones."""
    wanted = {"dl": limits.day_nano_usd, "ml": limits.month_nano_usd, "tl": limits.total_nano_usd}
    version = item["cv"]
    changed = {name: limit for name, limit in wanted.items() if item[name] != limit}
    if limits.version < version or (limits.version == version and not changed):
        return None
    steps = tuple(
        step
        for name, limit in changed.items()
        for step in (
            Assign(name, limit),
            Assign(_AVAILABLE[name], Attribute(_AVAILABLE[name]), limit - item[name]),
        )
    )
    same = tuple(Compare(name, "=", item[name]) for name in changed)
    return ConditionalUpdate((*steps, Assign("cv", limits.version)), (*same, Compare("cv", "=", version)))
