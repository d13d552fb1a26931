"""Are tokens counted to the last one as tiktoken's own cl100k_base counts them, whatever the text?"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedge.adapters.tokenizers_tiktoken import Cl100k, load, parts, shipped
from embedge.core.metering import fewest_tokens, token_bounds
from embedge.core.route import Tokenizer

LIMITLESS = 10**9
FAMILY = Tokenizer("cl100k", None)
# [text, tokens]; counted by `tiktoken.get_encoding("cl100k_base")` of tiktoken 0.14.0.
GOLDEN: list[tuple[str, int]] = json.loads((Path(__file__).parent / "samples/cl100k_counts.json").read_text())

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
BLANKS = " \t\n\r\x0b\x0c\x1c\x85\xa0\u2003\u2028\u3000\u200b"
BLANK_TEXT = st.lists(st.sampled_from([*BLANKS, "  ", "   ", "a", "!", "1", "'s", "\u0301", "漢"]), max_size=60).map(
    "".join
)


@cache
def ours() -> Cl100k:
    return shipped()


@cache
def stock() -> tiktoken.Encoding:
    """tiktoken's own, which looks for its file by the SHA-1 of its address before it would fetch it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(ranks())
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            return tiktoken.get_encoding("cl100k_base")
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def ranks() -> bytes:
    return (files("embedge_ranks") / "cl100k_base.tiktoken").read_bytes()


def counted_by_stock(text: str) -> int:
    return len(stock().encode(text, disallowed_special=()))


def test_the_golden_texts_have_the_golden_counts() -> None:
    assert len(GOLDEN) > 150
    assert [(text, ours().count(text, LIMITLESS)) for text, _ in GOLDEN] == [(text, tokens) for text, tokens in GOLDEN]


@settings(deadline=None)
@given(ANY_TEXT | BLANK_TEXT)
@example("<|endoftext|><|fim_prefix|>")
def test_any_text_has_as_many_tokens_as_tiktoken_gives_it(text: str) -> None:
    assert ours().count(text, LIMITLESS) == counted_by_stock(text)


@settings(deadline=None)
@given(ANY_TEXT | BLANK_TEXT)
def test_no_text_has_more_tokens_than_bytes_or_fewer_than_its_size_allows(text: str) -> None:
    size = len(text.encode())
    assert fewest_tokens(size, FAMILY) <= ours().count(text, LIMITLESS) <= token_bounds([size], FAMILY, LIMITLESS)[0]


def test_the_longest_token_decides_how_few_tokens_a_size_can_have() -> None:
    longest = max(stock().token_byte_values(), key=len)
    assert fewest_tokens(len(longest), FAMILY) == ours().count(longest.decode(), LIMITLESS) == 1
    assert fewest_tokens(len(longest) + 1, FAMILY) == 2


@settings(deadline=None, max_examples=300)
@given(BLANK_TEXT, st.integers(1, 4))
def test_a_text_cut_around_its_white_space_has_the_tokens_of_the_whole(text: str, longest_blank: int) -> None:
    cut = list(parts(text, longest_blank))
    assert "".join(cut) == text
    assert sum(counted_by_stock(part) for part in cut) == counted_by_stock(text)


@pytest.mark.parametrize(
    ("blank", "end"), [(" ", "x"), ("\n ", "x"), ("\t", "!"), ("\u00a0", "\n x"), (" ", ""), (" \n", "")]
)
def test_white_space_that_tiktoken_gives_up_on_is_counted(blank: str, end: str) -> None:
    run = blank * (1_000_001 // len(blank))
    assert ours().count(f"a{run}{end}", LIMITLESS) > 7000


def test_what_ids_spell_is_what_tiktoken_decodes_and_an_id_that_is_no_text_is_an_error() -> None:
    for text, _ in GOLDEN:
        ids = stock().encode(text, disallowed_special=())
        assert ours().spell(tuple(ids)) == text.encode()
    assert [ours().spell((rank,)) for rank in range(100_256)] == [stock().decode_bytes([r]) for r in range(100_256)]
    for unknown in (100_256, *stock()._special_tokens.values(), 2**32 - 1):
        with pytest.raises(KeyError):
            ours().spell((1, unknown))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff", pytest.param(None, id="one byte less")])
def test_ranks_that_are_not_these_to_the_last_byte_are_refused(content: bytes | None) -> None:
    with pytest.raises(ValueError, match="not the ranks"):
        load(ranks()[:-1] if content is None else content)
