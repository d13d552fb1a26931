"""How many tokens, and how much money? Integers throughout, rounded up once."""

from collections.abc import Sequence
from itertools import pairwise

from embedge.core.route import Tokenizer

BYTES_PER_TOKEN_ESTIMATE = 4

# Tokens that a family adds to every text ([CLS] and [SEP]).
_SPECIAL_TOKENS = {"byte_bpe": 0, "bert": 2}


def cost_nano_usd(tokens: int, price_nano_usd_per_million_tokens: int) -> int:
    """Return what `tokens` cost, in nano-dollars, rounded up."""
    return -(-tokens * price_nano_usd_per_million_tokens // 1_000_000)


def token_bound(size_bytes: int, tokenizer: Tokenizer | None, max_input_tokens: int) -> int:
    """Return a number of tokens that a text of `size_bytes` UTF-8 bytes cannot exceed and still be embedded.

    A token of a byte-level BPE covers at least one byte. A WordPiece token covers at least one character of the
    normalised text, and BERT's normaliser (NFD, lower case) makes at most as many characters as there were bytes.
    Other tokenizers promise nothing; but a model refuses what is over its own maximum, so that always bounds.
    """
    if tokenizer is None:
        return max_input_tokens
    return min(max_input_tokens, size_bytes + _SPECIAL_TOKENS[tokenizer.family])


def may_exceed(size_bytes: int, tokenizer: Tokenizer | None, max_input_tokens: int) -> bool:
    """Tell whether a text of `size_bytes` could be too long: only then is it worth counting."""
    return tokenizer is None or size_bytes + _SPECIAL_TOKENS[tokenizer.family] > max_input_tokens


def estimated_tokens(size_bytes: int, bound: int) -> int:
    """Return a guess for a text that nobody counted; at least one, at most `bound`."""
    return max(1, min(bound, -(-size_bytes // BYTES_PER_TOKEN_ESTIMATE)))


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
