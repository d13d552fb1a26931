"""How long does the worst text take to count, and does that grow faster than the text?

`make bench-tokenizing`: some minutes. Each tokenizer counts each kind of text at four sizes. The exponent is the slope
of time over size, both as logarithms: 1 is linear, and 2 is a way to stop a server with one request.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from embedge.adapters import tokenizers_huggingface, tokenizers_tiktoken
from embedge.core.route import Tokenizer
from infra.local.model_files import MAX_TOKENS, weights

SIZES_BYTES = (62_500, 250_000, 1_000_000, 4_000_000)
_LIMITLESS = 10**9

Count = Callable[[str], int]


def repeated(unit: str) -> Callable[[int], str]:
    """Return what makes texts of a size by repeating."""
    return lambda size: unit * (size // len(unit.encode()))


def drawn(first: int, last: int) -> Callable[[int], str]:
    """Return what makes texts of a size of characters drawn between two code points."""

    def make(size: int) -> str:
        characters = "".join(map(chr, random.Random(size).choices(range(first, last + 1), k=size)))  # noqa: S311
        return characters.encode()[:size].decode("utf-8", "ignore")

    return make


TEXTS: Mapping[str, Callable[[int], str]] = {
    "words": repeated("the cat sits on the mat "),
    "one letter": repeated("a"),
    "letters, no space": drawn(ord("a"), ord("z")),
    "^": repeated("^"),
    "punctuation": drawn(ord("!"), ord("/")),
    "spaces": repeated(" "),
    "spaces, then a letter": lambda size: " " * (size - 1) + "x",
    "many runs of 999 spaces": repeated(" " * 999 + "x"),
    "tabs and spaces": repeated("\t "),
    "line breaks": repeated("\n"),
    "spaces and line breaks": repeated(" \n"),
    "digits": repeated("1"),
    "combining marks": repeated("\u0301"),
    "emoji": repeated("🙂"),
    "joined emoji": repeated("👩\u200d👩\u200d👧"),
    "ideographs": drawn(0x4E00, 0x9FFF),
    "Hangul": drawn(0xAC00, 0xD7A3),
    "random bytes": drawn(0, 255),
    "random characters": drawn(0, 0xD7FF),
    "zeros": repeated("\0"),
}


def main() -> None:
    """Print a table for each tokenizer."""
    cl100k = tokenizers_tiktoken.shipped()
    minilm = tokenizers_huggingface.load(Tokenizer("bert", str(weights() / "tokenizer.json")))
    report("cl100k", lambda text: cl100k.count(text, 8192))
    report("all-MiniLM-L6-v2, to its end", lambda text: minilm.count(text, _LIMITLESS))
    report(f"all-MiniLM-L6-v2, to {MAX_TOKENS} tokens", lambda text: minilm.count(text, MAX_TOKENS))


def report(name: str, count: Count) -> None:
    """Measure every kind of text and print what it took."""
    count("load what is loaded late")
    sizes = "".join(f"{size // 1000:>9,} KB" for size in SIZES_BYTES)
    print(f"\n{name:30}{sizes}{'exponent':>11}")
    for kind, make in TEXTS.items():
        seconds = [seconds_for(count, make(size)) for size in SIZES_BYTES]
        times = "".join(f"{1000 * one:9.1f} ms" for one in seconds)
        print(f"{kind:30}{times}{exponent(SIZES_BYTES, seconds):11.2f}", flush=True)


def seconds_for(count: Count, text: str) -> float:
    """Return the processor's seconds, which other work on the machine does not change much."""
    began = time.process_time()
    count(text)
    return time.process_time() - began


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the power of the size that the time grows with, fitted by least squares."""
    slope, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope)


if __name__ == "__main__":
    main()
