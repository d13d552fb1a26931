"""Which conditional updates are there? Hypothesis draws any that DynamoDB's grammar allows."""

from __future__ import annotations

from hypothesis import strategies as st

from embedge.core.conditional_update import (
    AbsentOr,
    Assign,
    Attribute,
    AttributeOr,
    Compare,
    ConditionalUpdate,
    NewItem,
)

# Some of these are among DynamoDB's reserved words.
_NAMES = st.sampled_from(["da", "t", "x", "date", "day", "name", "order", "ttl"])
_NUMBERS = st.integers(-3, 3) | st.integers(-(10**18), 10**18)
_OPERATORS = st.sampled_from(["=", "<", "<=", ">", ">="])
_COMPARISONS = st.builds(Compare, _NAMES, _OPERATORS, _NUMBERS)
_CONDITIONS = _COMPARISONS | st.builds(AbsentOr, _COMPARISONS) | st.just(NewItem())
_OPERANDS = st.builds(Attribute, _NAMES) | st.builds(AttributeOr, _NAMES, _NUMBERS) | _NUMBERS
_ASSIGNMENTS = st.builds(Assign, _NAMES, _OPERANDS, st.none() | _NUMBERS)

UPDATES = st.builds(
    ConditionalUpdate,
    st.lists(_ASSIGNMENTS, min_size=1, max_size=5, unique_by=lambda step: step.target).map(tuple),
    st.lists(_CONDITIONS, max_size=3).map(tuple),
)
