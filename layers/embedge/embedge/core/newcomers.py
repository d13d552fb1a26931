"""May an issuer bring one more tenant? Counted by day and in all, each with its most, in one item that only rises.

A tenant is counted before it is noted as known: one whose process dies in between counts twice, and never not at all.
"""

from embedge.core.conditional_update import (
    Assign,
    Attribute,
    Compare,
    Condition,
    ConditionalUpdate,
    Item,
    NewItem,
)
from embedge.core.issuer import Newcomers

_DAY, _TODAY, _EVER, _KNOWN = "d", "n", "e", "k"

NOTE_AS_KNOWN = ConditionalUpdate((Assign(_KNOWN, 1),), ())
# Changes nothing, and is refused where the tenant is not known.
IS_KNOWN = ConditionalUpdate((Assign(_KNOWN, 1),), (Compare(_KNOWN, "=", 1),))


def count_one(item: Item | None, most: Newcomers, day: int) -> ConditionalUpdate | None:
    """Return the update that counts one more on that day, given the item last seen; None where there may be none."""
    if most.a_day < 1 or most.ever < 1:
        return None
    if item is None:
        return ConditionalUpdate((Assign(_DAY, day), Assign(_TODAY, 1), Assign(_EVER, 1)), (NewItem(),))
    room: tuple[Condition, ...] = (Compare(_EVER, "<", most.ever),)
    one_more = Assign(_EVER, Attribute(_EVER), 1)
    if item[_EVER] >= most.ever:
        return None
    if item[_DAY] < day:
        return ConditionalUpdate((Assign(_DAY, day), Assign(_TODAY, 1), one_more), (Compare(_DAY, "<", day), *room))
    # Of a clock that is ahead it is already tomorrow: its day counts.
    if item[_TODAY] >= most.a_day:
        return None
    same_day = (Compare(_DAY, "=", item[_DAY]), Compare(_TODAY, "<", most.a_day), *room)
    return ConditionalUpdate((Assign(_TODAY, Attribute(_TODAY), 1), one_more), same_day)
