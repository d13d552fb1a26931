"""Is a count of tokens that could be true never taken for one that could not?"""

from __future__ import annotations

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.metering import credible_tokens, token_bounds
from embedge.core.route import Tokenizer

NOBODY_LIMITS = 10**9


def of_the_text(size_bytes: int) -> int:
    """Return what is credible of a text itself, without what a provider puts before it."""
    return credible_tokens(size_bytes) - credible_tokens(0)


def test_no_character_normalises_to_more_bytes_than_are_credible_tokens() -> None:
    characters = map(chr, {*range(sys.maxunicode + 1)} - {*range(0xD800, 0xE000)})
    grown = [
        character
        for character in characters
        if len(unicodedata.normalize("NFKC", character).encode()) > of_the_text(len(character.encode()))
    ]
    assert grown == []
    assert len(unicodedata.normalize("NFKC", "\ufdfa").encode()) == of_the_text(3) - 3  # nearly as much


@given(st.integers(0, 10**7), st.sampled_from(["byte_bpe", "bert"]))
def test_what_a_tokenizer_is_bound_by_is_credible(size_bytes: int, family: str) -> None:
    tokenizer = Tokenizer("bert" if family == "bert" else "byte_bpe", None)
    assert token_bounds([size_bytes], tokenizer, NOBODY_LIMITS)[0] <= credible_tokens(size_bytes)
