"""How many tokens does OpenAI count, and what text is behind them? tiktoken, with the vocabulary that we ship: cl100k.

Source: tiktoken_ext/openai_public.py in tiktoken 0.14, whose registry would fetch the ranks over the network.
"""

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

# That of the file whose address and hash tiktoken has in `cl100k_base`.
_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)

# tiktoken's regex goes back through white space character by character, and gives up at a million of them.
# https://github.com/openai/tiktoken/issues/400
_LONGEST_BLANK = 500_000
# What `\s` is in that regex, Unicode's White_Space; in Python's it has four characters more.
_BLANK = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"


class Cl100k:
    """The vocabulary of OpenAI's embedding models. It lets go of the GIL while it counts."""

    def __init__(self, encoding: "Encoding") -> None:
        """Take an encoding without special tokens: in what is embedded, `<|endoftext|>` is text like any other."""
        self._encoding = encoding

    def count(self, text: str, maximum: int) -> int:
        """Return the tokens of a text, all of them: what no count can save is refused by its size before."""
        del maximum
        # `encode_ordinary` panics where this raises, and a list of a million integers would be made with the GIL held.
        return sum(self._encoding.encode_to_numpy(part, disallowed_special=()).size for part in parts(text))

    def spell(self, ids: Sequence[int]) -> bytes:
        """Return the bytes that these ids stand for. Raises: KeyError where one is none of text's."""
        return self._encoding.decode_bytes(ids)


def shipped() -> Cl100k:
    """Load what is shipped beside our packages. Raises: OSError, ValueError, ImportError."""
    from importlib.resources import files  # noqa: PLC0415 (as below)

    return load((files("embedge_ranks") / "cl100k_base.tiktoken").read_bytes())


def load(ranks: bytes) -> Cl100k:
    """Build the vocabulary from the file of its ranks: 0.15 s. Raises: ValueError where it is another file."""
    from tiktoken import Encoding  # noqa: PLC0415 (a process that counts nothing never pays for it)

    if hashlib.sha256(ranks).hexdigest() != _SHA256:
        raise ValueError("these are not the ranks of cl100k_base")
    tokens = (line.split() for line in ranks.splitlines())
    mergeable = {b64decode(token): int(rank) for token, rank in tokens}
    return Cl100k(Encoding("cl100k_base", pat_str=_PATTERN, mergeable_ranks=mergeable, special_tokens={}))


def parts(text: str, longest_blank: int = _LONGEST_BLANK) -> Iterator[str]:
    r"""Cut a text around its runs of white space of that length: the parts have the tokens of the whole.

    Of a run before something else, the pattern takes all up to its last line break, then all but the last character;
    that one goes with what follows. A part that ends there is taken by `\s++$` to the same end, without going back.
    """
    start = 0
    if len(text) > longest_blank:
        for run in re.finditer(f"(?<![{_BLANK}])[{_BLANK}]{{{longest_blank},}}+(?!$)", text):
            after_break = 1 + max(text.rfind("\n", *run.span()), text.rfind("\r", *run.span()))
            for cut in (after_break, run.end() - 1):
                if cut > start:
                    yield text[start:cut]
                    start = cut
    yield text[start:]
