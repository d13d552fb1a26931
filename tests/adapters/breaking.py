"""Which bugs did ledgers have, and how does one come back? By changing what the real code sends on its way."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias, assert_never

from embedge.core.conditional_update import Assign, Attribute, Compare, ConditionalUpdate, ItemUpdate

Bug: TypeAlias = Literal[
    "money goes back to a day that it is not of",
    "returns are sent again when their reply is lost",
    "a lease is closed twice",
    "a closed lease is authorised further",
    "reconcile gives back what was authorised",
]


def broken(bug: Bug | None, items: tuple[ItemUpdate, ...], *, by_reconcile: bool) -> tuple[ItemUpdate, ...]:
    """Return what is carried out instead."""
    match bug:
        case None | "returns are sent again when their reply is lost":
            return items
        case "money goes back to a day that it is not of":
            return tuple(replace(item, update=_anywhere(item.update)) for item in items)
        case "a lease is closed twice":
            return tuple(replace(item, update=_whenever(item.update, "s")) for item in items)
        case "a closed lease is authorised further":
            return tuple(replace(item, update=_whenever(item.update, "A")) for item in items)
        case "reconcile gives back what was authorised":
            return tuple(replace(item, update=_all_of_it(item.update)) for item in items) if by_reconcile else items
        case _:
            assert_never(bug)


def returned(update: ConditionalUpdate) -> int:
    """Return how much money an update gives back; negative where it takes some."""
    return next((step.change or 0 for step in update.assignments if step.target == "ta"), 0)


def _anywhere(update: ConditionalUpdate) -> ConditionalUpdate:
    """Give back to all periods, whichever they are by now."""
    back = returned(update)
    if back <= 0:
        return update
    others = tuple(step for step in update.assignments if step.target not in {"da", "ma"})
    everywhere = tuple(Assign(name, Attribute(name), back) for name in ("da", "ma"))
    return ConditionalUpdate(
        others + everywhere,
        tuple(c for c in update.conditions if not (isinstance(c, Compare) and c.attribute in {"di", "mi"})),
    )


def _whenever(update: ConditionalUpdate, target: str) -> ConditionalUpdate:
    """Set an attribute of a lease, and what it notes beside it, without looking whether the lease is open."""
    if {step.target for step in update.assignments} - {"k"} != {target}:
        return update
    return ConditionalUpdate(update.assignments, (Compare("C", ">=", 0),))


def _all_of_it(update: ConditionalUpdate) -> ConditionalUpdate:
    """Give all of a lease back, as if its holder could not have spent any."""
    leased = next((-(step.change or 0) for step in update.assignments if step.target == "x"), 0)
    return replace(
        update,
        assignments=tuple(
            replace(step, change=leased) if step.target in {"da", "ma", "ta"} else step for step in update.assignments
        ),
    )
