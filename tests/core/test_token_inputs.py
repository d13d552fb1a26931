"""Are token ids the text that they stand for, in their places, and is what they unfold to bounded?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.request import MAX_BODY_BYTES, MAX_REQUEST_TOKENS, Input, Tokens
from embedge.core.token_inputs import count_ids, decoded
from embedge.errors import InvalidValue, RequestTooLarge, TooManyTokens
from tests.core.samples import request

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
INPUTS = st.lists(TEXTS | TEXTS.map(lambda text: Tokens(tuple(text.encode()))), min_size=1, max_size=6)


def spell(ids: Sequence[int]) -> bytes:
    """A vocabulary of single bytes. Raises: KeyError."""
    if max(ids) > 255:
        raise KeyError(max(ids))
    return bytes(ids)


def never(ids: Sequence[int]) -> bytes:
    raise AssertionError(len(ids))


def long(ids: Sequence[int]) -> bytes:
    return b"x" * 128 * len(ids)


@given(INPUTS)
def test_ids_become_the_text_they_stand_for_and_text_stays_as_it_is(inputs: list[Input]) -> None:
    texts = tuple(bytes(i.ids).decode() if isinstance(i, Tokens) else i for i in inputs)
    asked = request(*inputs, dimensions=3, user="u")
    assert decoded(asked, spell) == request(*texts, dimensions=3, user="u")
    assert count_ids(asked) == sum(len(item.ids) for item in inputs if isinstance(item, Tokens))


@given(TEXTS, st.integers(0, 30))
def test_a_character_that_is_cut_in_two_is_replaced_and_no_input_becomes_empty(text: str, cut: int) -> None:
    content = text.encode()
    parts = [part for part in (content[:cut], content[cut:]) if part]
    read = decoded(request(*(Tokens(tuple(part)) for part in parts)), spell)
    assert [item for item in read.inputs if isinstance(item, str)] == [
        part.decode("utf-8", "replace") for part in parts
    ]
    assert request("").inputs[0] not in read.inputs


def test_an_unknown_id_is_named_by_its_input_and_not_by_itself() -> None:
    with pytest.raises(InvalidValue, match="Input 2 has an id") as refused:
        decoded(request("a", Tokens((1,)), Tokens((1, 98765)), Tokens((99999,))), spell)
    assert refused.value.param == "input[2]"
    assert "98765" not in refused.value.message


def test_more_ids_than_a_request_may_bring_are_refused_before_they_are_decoded() -> None:
    half = Tokens((1,) * (MAX_REQUEST_TOKENS // 2))
    decoded(request(half, half), spell)
    with pytest.raises(TooManyTokens, match="Requested 300001 tokens, max 300000"):
        decoded(request(half, half, Tokens((1,))), never)


def test_text_is_bounded_by_what_a_body_may_bring() -> None:
    most = MAX_BODY_BYTES // 128
    decoded(request(Tokens((1,) * most)), long)
    with pytest.raises(RequestTooLarge) as refused:
        decoded(request(Tokens((1,) * most), Tokens((1,))), long)
    assert refused.value.param == "input"
