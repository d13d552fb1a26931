"""How many tokens does a model count that brings its own `tokenizer.json`? Hugging Face's library, and that file."""

from pathlib import Path
from typing import TYPE_CHECKING

from embedge.core.metering import COUNTED_TO_THE_END_BYTES
from embedge.core.route import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as HuggingFaceTokenizer

# A token takes 440 bytes of memory while it is counted, so a long text is first counted by pieces.
_PIECE_CHARACTERS = COUNTED_TO_THE_END_BYTES
# What the cuts can add to a piece's count: at each end the part of a word, of which WordPiece makes at most 100 tokens
# (of a longer word it makes one), or of a special token's text; and [CLS] and [SEP].
_ADDED_BY_CUTS = 256


class FileTokenizer:
    """A tokenizer from a file. It lets go of the GIL while it counts."""

    def __init__(self, tokenizer: "HuggingFaceTokenizer", *, words_are_bounded: bool) -> None:
        """Take the tokenizer, and whether a word of any length has few tokens, as WordPiece's do."""
        self._tokenizer = tokenizer
        self._words_are_bounded = words_are_bounded

    def count(self, text: str, maximum: int) -> int:
        """Return the tokens of a text; of a long one with more than `maximum`, `maximum + 1`."""
        if self._words_are_bounded and len(text) > _PIECE_CHARACTERS:
            least = 0
            for start in range(0, len(text), _PIECE_CHARACTERS):
                least += max(0, self._tokens(text[start : start + _PIECE_CHARACTERS]) - _ADDED_BY_CUTS)
                if least > maximum:
                    return maximum + 1
        return self._tokens(text)

    def _tokens(self, text: str) -> int:
        # The plain `encode` keeps where each token stood, which takes longer than all the rest.
        return len(self._tokenizer.encode_batch_fast([text])[0])


def load(tokenizer: Tokenizer) -> FileTokenizer:
    """Read a route's file. Raises: anything, the library's plain Exception among it, where it is no tokenizer."""
    from tokenizers import Tokenizer as HuggingFaceTokenizer  # noqa: PLC0415 (8 MB that most processes never load)

    assert tokenizer.file is not None
    read = HuggingFaceTokenizer.from_str(Path(tokenizer.file).read_text(encoding="utf-8"))
    read.no_truncation()
    read.no_padding()
    return FileTokenizer(read, words_are_bounded=tokenizer.family == "bert")
