"""Is what is sent to DynamoDB within its grammar? Emulators accept more than it does, so it is parsed here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.update_expression import render
from embedge.core.balance import Adjust, Claim, Moment, Step, Terms, first_step, next_step
from embedge.core.balance_forms import Period, credit
from embedge.core.conditional_update import Assign, Attribute, Compare, ConditionalUpdate
from embedge.core.lease import LeaseTerms, advanced, charged, chunk, closed, credited, opened
from embedge.core.request import Limits, ModelRate, Principal
from tests.adapters.updates import UPDATES

if TYPE_CHECKING:
    from embedge.core.conditional_update import Item

_NAME = r"#[A-Za-z][A-Za-z0-9_]*"
_VALUE = r":[a-z]+\d+"
_OPERAND = rf"(?:{_NAME}|{_VALUE}|if_not_exists\({_NAME}, {_VALUE}\))"
_ASSIGNMENT = rf"{_NAME} = {_OPERAND}(?: [+-] {_OPERAND})?"
_COMPARISON = rf"{_NAME} (?:=|<|<=|>|>=) {_VALUE}"
_ABSENT = rf"attribute_not_exists\({_NAME}\)"
_CONDITION = rf"(?:{_COMPARISON}|{_ABSENT}|\({_ABSENT} OR {_COMPARISON}\))"
_UPDATE = re.compile(rf"SET {_ASSIGNMENT}(?:, {_ASSIGNMENT})*")
_CONDITIONS = re.compile(rf"(?:{_CONDITION}(?: AND {_CONDITION})*)?")


def hold_to_the_grammar(update: ConditionalUpdate) -> None:
    said = render(update)
    assert _UPDATE.fullmatch(said.update)
    assert _CONDITIONS.fullmatch(said.condition)
    # DynamoDB refuses a placeholder that is not defined, and one that is not used.
    both = f"{said.update} {said.condition}"
    assert set(re.findall(_NAME, both)) == set(said.names)
    assert set(re.findall(_VALUE, both)) == set(said.values)


def test_an_update_reads_as_one_would_write_it() -> None:
    update = ConditionalUpdate(
        (Assign("da", Attribute("dl"), -160),), (Compare("di", "<", 7), Compare("dl", ">=", 160))
    )
    said = render(update)
    assert said.update == "SET #da = #dl + :minus160"
    assert said.condition == "#di < :n7 AND #dl >= :n160"
    assert said.names == {"#da": "da", "#dl": "dl", "#di": "di"}
    assert said.values == {":minus160": -160, ":n7": 7, ":n160": 160}


@given(UPDATES)
def test_every_update_is_within_the_grammar(update: ConditionalUpdate) -> None:
    hold_to_the_grammar(update)


@given(
    st.builds(Claim, st.integers(0, 10**18), st.integers(0, 10**6), st.sampled_from([None, "default", "flex"])),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 1),
)
def test_every_step_of_a_balance_is_within_the_grammar(claim: Claim, month: int, day: int, version: int) -> None:
    models = (ModelRate("text-*", 5, 50),)
    terms = Terms.of(Principal("acme", frozenset(), (), Limits(10, 1000, 10**18, 10**18, 10**18, version, models, 50)))
    moment = Moment(10**15, Period(1, 1))
    names = ("di", "da", "dl", "mi", "ma", "ml", "ta", "tl", "g", "c")
    item: Item = dict.fromkeys(names, 10**18) | {"mi": month, "di": day, "cv": 0, "x": 0, "lo": 0}
    for seen in (None, item):
        hold_to_the_grammar(first_step(seen, claim, terms, moment).update)
        hold_to_the_grammar(credit(seen, claim.nano_usd, moment.period))
        decision = next_step(seen, claim, terms, moment)
        if isinstance(decision, Step | Adjust):
            hold_to_the_grammar(decision.update)


@given(st.integers(1, 10**9), st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**9))
def test_every_step_of_a_lease_is_within_the_grammar(typical: int, month: int, day: int, part: int) -> None:
    names = ("di", "da", "dl", "mi", "ma", "ml", "ta", "tl")
    item: Item = dict.fromkeys(names, 10**18) | {"mi": month, "di": day, "cv": 0, "x": 0, "lo": 0}
    leased = chunk(item, typical, LeaseTerms())
    assert leased is not None
    later = replace(leased, period=Period(1, 1))
    for update in (
        charged(leased, item, LeaseTerms()),
        opened(leased, part),
        advanced(leased.authorised, leased.authorised + part, part),
        closed(part),
        credited(item, later, part % leased.nano_usd, lost=part),
        credited(None, later, 0, lost=0),
    ):
        hold_to_the_grammar(update)
