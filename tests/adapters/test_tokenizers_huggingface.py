"""Are tokens counted as the model itself counts them, and how much of a text that is far too long is looked at?"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters.tokenizers_huggingface import FileTokenizer, load
from embedge.core.route import Tokenizer
from infra.local.minilm import MiniLM
from infra.local.model_files import weights

PIECE = 65_536
# Words, marks, special tokens and white space: what a cut may go through.
UNITS = ["^", "cat ", "[MASK]", "漢", "x" * 99 + "^", "x" * 101 + " "]


@cache
def model() -> MiniLM:
    """Hypothesis takes no fixture, so the model is kept here."""
    return MiniLM.load(weights())


@cache
def tokenizer() -> FileTokenizer:
    return load(Tokenizer("bert", str(weights() / "tokenizer.json")))


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_count_is_the_models_own_with_its_special_tokens(text: str) -> None:
    assert tokenizer().count(text, 256) == model().tokens(text)


@pytest.mark.parametrize("words", [1, 100, 128, 254, 255, 3000])
def test_a_text_is_counted_to_its_end_whatever_the_file_says_of_truncation(words: int) -> None:
    assert tokenizer().count("cat " * words, 256) == words + 2


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("maximum", [256, 70_000])
def test_of_a_long_text_the_count_is_exact_or_one_over_a_maximum_that_it_does_exceed(unit: str, maximum: int) -> None:
    text = unit * (2 * PIECE // len(unit) + 77)
    exactly, counted = model().tokens(text), tokenizer().count(text, maximum)
    assert counted == exactly or exactly > maximum == counted - 1


@pytest.mark.parametrize("unit", ["a", " ", "\u0301"])
def test_a_long_text_of_few_tokens_is_counted_exactly(unit: str) -> None:
    text = unit * (3 * PIECE)
    assert tokenizer().count(text, 8) == model().tokens(text) <= 3


def test_a_text_that_is_far_too_long_is_not_counted_to_its_end() -> None:
    assert tokenizer().count("^ " * 5 * PIECE, 256) == 257
