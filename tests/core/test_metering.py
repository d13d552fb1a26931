"""Is money rounded up once, and is a bound of tokens one that no text exceeds?"""

from __future__ import annotations

import math
import sys
import unicodedata
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from embedge.core import route
from embedge.core.metering import (
    cost_nano_usd,
    estimated_tokens,
    fewest_tokens,
    may_exceed,
    split_by_size,
    token_bounds,
)
from infra.local.model_files import weights

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKENS = st.integers(0, 10**7)
PRICES = st.integers(0, 10**12)
NOBODY_LIMITS = 10**9
# The hard ones: controls, joiners, marks that decompose, Hangul, CJK, emoji, letters that grow in lower case.
PIECES = """
a The [CLS] [MASK] ##s zyzzyva 1234567890 … \u0000 \u001b \u200d \u0301 \u0344 \ufffc
\U0010ffff 가 힣 한 漢 𠀋 🙂 👩‍👩‍👧 ﷺ 𝅘𝅥𝅮 ΐ İ ẛ̣ Å ﬃ
""".split(" ")  # noqa: SIM905 (an emoji of three, and a mark alone, are hard to read in quotes)
TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def test_eight_tokens_at_two_cents_a_million_are_160_nano_dollars() -> None:
    assert cost_nano_usd(8, 20_000_000) == 160


@given(TOKENS, PRICES)
def test_a_cost_is_the_exact_price_rounded_up_and_never_twice(tokens: int, price: int) -> None:
    assert cost_nano_usd(tokens, price) == math.ceil(Fraction(tokens * price, 10**6))


@given(st.lists(TOKENS, min_size=1, max_size=8), PRICES)
def test_calls_paid_one_by_one_cost_as_much_as_together_but_for_a_nano_dollar_each(
    tokens: list[int], price: int
) -> None:
    together = cost_nano_usd(sum(tokens), price)
    assert together <= sum(cost_nano_usd(each, price) for each in tokens) < together + len(tokens)


@given(st.integers(0, 10**7), st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_a_split_adds_up_and_gives_each_text_its_share_to_the_token(total: int, sizes: list[int]) -> None:
    parts = split_by_size(total, sizes)
    assert sum(parts) == total
    assert len(parts) == len(sizes)
    for part, size in zip(parts, sizes, strict=True):
        assert part >= 0
        assert abs(part - Fraction(total * size, sum(sizes))) < 1


def test_nothing_is_split_over_nothing() -> None:
    assert split_by_size(0, []) == []
    assert split_by_size(5, [0, 0]) == [0, 0]


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_an_estimate_is_at_least_one_token_and_at_most_the_bound(size: int, bound: int) -> None:
    assert 1 <= estimated_tokens(size, bound) <= bound


@given(st.integers(0, 10**6), st.sampled_from([None, "cl100k", "byte_bpe", "bert"]), st.integers(1, 10**6))
def test_what_need_not_be_counted_cannot_be_too_long(
    size: int, family: route.TokenizerFamily | None, longest: int
) -> None:
    tokenizer = family and route.Tokenizer(family, None)
    assert token_bounds([size], tokenizer, longest)[0] <= longest
    if not may_exceed(size, tokenizer, longest):
        assert token_bounds([size], tokenizer, NOBODY_LIMITS)[0] <= longest
    elif tokenizer:
        assert token_bounds([size], tokenizer, longest)[0] == longest


@given(st.integers(0, 10**7), st.sampled_from([None, "cl100k", "byte_bpe", "bert"]))
def test_the_fewest_tokens_of_a_size_are_no_more_than_the_most(size: int, family: route.TokenizerFamily | None) -> None:
    tokenizer = family and route.Tokenizer(family, None)
    assert 0 <= fewest_tokens(size, tokenizer) <= token_bounds([size], tokenizer, NOBODY_LIMITS)[0]
    assert family == "cl100k" or fewest_tokens(size, tokenizer) == 0


def test_a_text_of_a_tokenizer_that_is_not_known_may_always_be_too_long() -> None:
    assert may_exceed(1, None, 8192)
    assert token_bounds([1], None, 8192)[0] == 8192


# The bounds against real tokenizers: what is bounded is what these count.


@cache
def bert() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(weights() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@cache
def byte_bpe() -> Tokenizer:
    """A byte-level BPE that has learnt nothing but single bytes: none makes more tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def over_the_bound(tokenizer: Tokenizer, family: route.TokenizerFamily, texts: Iterable[str]) -> list[str]:
    texts = list(texts)
    return [
        text
        for text, encoding in zip(texts, tokenizer.encode_batch_fast(texts), strict=True)
        if len(encoding.ids) > token_bounds([len(text.encode())], route.Tokenizer(family, None), NOBODY_LIMITS)[0]
    ]


def in_company(character: str) -> tuple[str, ...]:
    return (character, character * 2, f"a{character}b{character}")


def is_rewritten(character: str) -> bool:
    """Tell whether normalisation turns the character into others: only then can there be more of them."""
    return unicodedata.normalize("NFKD", character) != character or character.lower() != character


def characters() -> Iterable[str]:
    return (chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)


def test_no_character_that_bert_rewrites_makes_more_tokens_than_its_bytes_and_two() -> None:
    rewritten = [character for character in characters() if is_rewritten(character)]
    assert len(rewritten) > 15_000  # among them all of Hangul
    assert over_the_bound(bert(), "bert", rewritten) == []


@pytest.mark.slow
@pytest.mark.parametrize("plane", range(17))
def test_no_character_at_all_makes_more_bert_tokens_than_its_bytes_and_two(plane: int) -> None:
    texts = [text for one in characters() if ord(one) >> 16 == plane for text in in_company(one)]
    assert over_the_bound(bert(), "bert", texts) == []


@settings(max_examples=150)
@given(TEXTS)
def test_no_text_makes_more_bert_tokens_than_its_bytes_and_two(text: str) -> None:
    assert over_the_bound(bert(), "bert", [text, text.upper(), f"[CLS] {text}"]) == []


@settings(max_examples=150)
@given(TEXTS)
def test_no_text_makes_more_byte_bpe_tokens_than_it_has_bytes(text: str) -> None:
    assert over_the_bound(byte_bpe(), "byte_bpe", [text]) == []
    assert len(byte_bpe().encode(text).ids) == len(text.encode())  # so the bound could not be lower either


def test_the_bound_for_bert_is_reached_so_it_could_not_be_lower() -> None:
    assert len(bert().encode("!?.").ids) == token_bounds([3], route.Tokenizer("bert", None), NOBODY_LIMITS)[0]
