"""How many tokens, and how much money? Integers throughout, rounded up once."""

from collections.abc import Sequence
from itertools import pairwise

from embedge.core.route import Tokenizer, TokenizerFamily

BYTES_PER_TOKEN_ESTIMATE = 4
# A text of up to this size is counted to its end; of a larger one, counting may stop at one token over the maximum.
COUNTED_TO_THE_END_BYTES = 65_536
_MOST_TOKENS_PER_BYTE = 12
_TOKENS_OF_A_PROMPT = 256

# Tokens that a family adds to every text ([CLS] and [SEP]).
_SPECIAL_TOKENS: dict[TokenizerFamily, int] = {"cl100k": 0, "byte_bpe": 0, "bert": 2}
# The most bytes that one token stands for: cl100k's longest is 128 spaces. BERT drops white space and has one token for
# any word that is too long, so there a few tokens may be a text of any size.
_LONGEST_TOKEN_BYTES: dict[TokenizerFamily, int] = {"cl100k": 128}


def cost_nano_usd(tokens: int, price_nano_usd_per_million_tokens: int) -> int:
    """Return what `tokens` cost, in nano-dollars, rounded up."""
    return -(-tokens * price_nano_usd_per_million_tokens // 1_000_000)


def costs_nano_usd(tokens: Sequence[int], price_nano_usd_per_million_tokens: int) -> int:
    """Return what several numbers of tokens cost together, each rounded up as `cost_nano_usd` does."""
    return sum([-(-count * price_nano_usd_per_million_tokens // 1_000_000) for count in tokens])


def token_bounds(sizes_bytes: Sequence[int], tokenizer: Tokenizer | None, max_input_tokens: int) -> list[int]:
    """Return for each text of so many UTF-8 bytes a number of tokens that it cannot exceed and still be embedded.

    A token of a byte-level BPE covers at least one byte. A WordPiece token covers at least one character of the
    normalised text, and BERT's normaliser (NFD, lower case) makes at most as many characters as there were bytes.
    Other tokenizers promise nothing; but a model refuses what is over its own maximum, so that always bounds.
    """
    if tokenizer is None:
        return [max_input_tokens] * len(sizes_bytes)
    special = _SPECIAL_TOKENS[tokenizer.family]
    if max(sizes_bytes, default=0) + special <= max_input_tokens:  # as mostly
        return [size_bytes + special for size_bytes in sizes_bytes]
    return [min(max_input_tokens, size_bytes + special) for size_bytes in sizes_bytes]


def may_exceed(size_bytes: int, tokenizer: Tokenizer | None, max_input_tokens: int) -> bool:
    """Tell whether a text of `size_bytes` could be too long: only then is it worth counting."""
    return tokenizer is None or size_bytes + _SPECIAL_TOKENS[tokenizer.family] > max_input_tokens


def fewest_tokens(size_bytes: int, tokenizer: Tokenizer | None) -> int:
    """Return a number of tokens that no text of `size_bytes` has fewer of; 0 where the family promises nothing."""
    longest = _LONGEST_TOKEN_BYTES.get(tokenizer.family) if tokenizer else None
    return 0 if longest is None else -(-size_bytes // longest)


def estimated_tokens(size_bytes: int, bound: int) -> int:
    """Return a guess for a text that nobody counted; at least one, at most `bound`."""
    return max(1, min(bound, -(-size_bytes // BYTES_PER_TOKEN_ESTIMATE)))


def credible_tokens(size_bytes: int) -> int:
    """Return a number of tokens beyond which no count of a text of `size_bytes` can be true.

    The worst that is known: three bytes (U+FDFA) that NFKC makes eighteen letters of, each of them two bytes, and a
    tokenizer that falls back to bytes. Beside it room for what a provider puts before a text and counts as well.
    """
    return _MOST_TOKENS_PER_BYTE * size_bytes + _TOKENS_OF_A_PROMPT


def split_by_size(total: int, sizes_bytes: Sequence[int]) -> list[int]:
    """Split `total` tokens over texts in proportion to their sizes; the parts add up to `total` exactly."""
    whole = sum(sizes_bytes)
    if whole == 0:
        return [0] * len(sizes_bytes)
    edges = [0]
    seen = 0
    for size in sizes_bytes:
        seen += size
        edges.append(total * seen // whole)
    return [after - before for before, after in pairwise(edges)]
