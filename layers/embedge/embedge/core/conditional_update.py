"""What does one atomic step on one item of the ledger say?

The common part of DynamoDB's UpdateItem and of a transaction elsewhere: assignments of at most two operands, made if
all conditions hold. DynamoDB's grammar has no arithmetic in conditions, so neither has this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Item: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value that an attribute has before the update."""

    name: str


@dataclass(frozen=True, slots=True)
class AttributeOr:
    """The value that an attribute has before the update, or `absent` where there is none."""

    name: str
    absent: int


Operand: TypeAlias = Attribute | AttributeOr | int


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = left`, or `target = left + change` where a change is given (which may be negative)."""

    target: str
    left: Operand
    change: int | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """`attribute operator operand`; false where the attribute is absent."""

    attribute: str
    operator: Literal["=", "<", "<=", ">", ">="]
    operand: int


@dataclass(frozen=True, slots=True)
class AbsentOr:
    """True where the attribute is absent, or as `compare` says."""

    compare: Compare


@dataclass(frozen=True, slots=True)
class NewItem:
    """True where there is no such item yet."""


Condition: TypeAlias = Compare | AbsentOr | NewItem


@dataclass(frozen=True, slots=True)
class ConditionalUpdate:
    """All of the assignments if all of the conditions hold, else none."""

    assignments: tuple[Assign, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """An update, and the item that it is of."""

    pk: str
    sk: str
    update: ConditionalUpdate


@dataclass(frozen=True, slots=True)
class Applied:
    """The update was made; `item` is what stands now."""

    item: Item


@dataclass(frozen=True, slots=True)
class Refused:
    """A condition did not hold. `item` is what stands (None: there is none), `store_time_s` the store's own clock."""

    item: Item | None
    store_time_s: float


Outcome: TypeAlias = Applied | Refused
# Of two updates that are made both or neither: which were refused. Where none was, both are made.
Refusals: TypeAlias = tuple[Refused | None, Refused | None]


def evaluate(update: ConditionalUpdate, item: Item | None) -> Item | None:
    """Return the item after the update, or None where a condition does not hold: what every store must agree with."""
    before: Item = item or {}
    if not all(_holds(condition, item) for condition in update.conditions):
        return None
    return {**before, **{step.target: _value(step, before) for step in update.assignments}}


def _value(step: Assign, before: Item) -> int:
    match step.left:
        case Attribute(name):
            left = before[name]
        case AttributeOr(name, absent):
            left = before.get(name, absent)
        case left:
            pass
    return left + (step.change or 0)


def _holds(condition: Condition, item: Item | None) -> bool:
    match condition:
        case NewItem():
            return item is None
        case AbsentOr(compare):
            return item is None or compare.attribute not in item or _holds(compare, item)
        case Compare(attribute, operator, operand):
            if item is None or attribute not in item:
                return False
            value = item[attribute]
            return {
                "=": value == operand,
                "<": value < operand,
                "<=": value <= operand,
                ">": value > operand,
                ">=": value >= operand,
            }[operator]
