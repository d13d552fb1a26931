"""How is a conditional update said in DynamoDB's words? Pure.

Every attribute is a placeholder, so that no name can be one of DynamoDB's reserved words; a number's is made
from the number, so that each is sent once. The grammar has no arithmetic in conditions, and at most two operands
in SET. Source, read 2026-11:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from dataclasses import dataclass, field
from typing import assert_never

from embedge.core.conditional_update import (
    AbsentOr,
    Assign,
    Attribute,
    AttributeOr,
    Compare,
    Condition,
    ConditionalUpdate,
    NewItem,
    Operand,
)


@dataclass(frozen=True, slots=True)
class Expressions:
    """An update in DynamoDB's words, and what its placeholders stand for; no condition is an empty one."""

    update: str
    condition: str
    names: dict[str, str]
    values: dict[str, int]


def render(update: ConditionalUpdate) -> Expressions:
    """Return what UpdateItem has to be told."""
    words = _Words()
    steps = ", ".join(words.assign(step) for step in update.assignments)
    condition = " AND ".join(words.condition(condition) for condition in update.conditions)
    return Expressions(f"SET {steps}", condition, words.names, words.values)


@dataclass(frozen=True, slots=True)
class _Words:
    names: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, int] = field(default_factory=dict[str, int])

    def assign(self, step: Assign) -> str:
        left = f"{self.attribute(step.target)} = {self.operand(step.left)}"
        return left if step.change is None else f"{left} + {self.operand(step.change)}"

    def condition(self, condition: Condition) -> str:
        match condition:
            case NewItem():
                return f"attribute_not_exists({self.attribute('pk')})"
            case AbsentOr(compare):
                absent = f"attribute_not_exists({self.attribute(compare.attribute)})"
                return f"({absent} OR {self.condition(compare)})"
            case Compare(attribute, operator, operand):
                return f"{self.attribute(attribute)} {operator} {self.operand(operand)}"
            case _:
                assert_never(condition)

    def operand(self, operand: Operand) -> str:
        if isinstance(operand, Attribute):
            return self.attribute(operand.name)
        if isinstance(operand, AttributeOr):
            return f"if_not_exists({self.attribute(operand.name)}, {self.operand(operand.absent)})"
        placeholder = f":minus{-operand}" if operand < 0 else f":n{operand}"
        self.values[placeholder] = operand
        return placeholder

    def attribute(self, name: str) -> str:
        self.names[f"#{name}"] = name
        return f"#{name}"
