"""Which real text do tests embed, and is it paid for once, and the same to the last bit when it is asked for again?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.asking import ask
from benchmarks.figures import Pass, complaints
from benchmarks.passages import choose, in_runs
from benchmarks.sources import copyrights, man_pages
from infra.local.model_files import MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai import OpenAI

    from infra.local.minilm import MiniLM


def passages(count: int, model: MiniLM) -> tuple[str, ...]:
    """So many passages, each of which the model takes whole, of what the packages of this machine say of themselves."""
    source = copyrights() or man_pages()
    assert source, "neither copyright files nor man pages are installed"
    described = filter(None, map(source.read, in_runs(source.units, 0)))
    chosen = choose(described, count, lambda text: model.tokens(text) <= MAX_TOKENS)
    return tuple(passage.text for passage in chosen.passages)


def embedded_twice(client: OpenAI, model: str, texts: Sequence[str]) -> tuple[bytes, ...]:
    """Embed what nobody has embedded yet, then again in both encodings, where all must be hits that cost nothing.

    Returns the vectors, which were the same each time, as float32 in little-endian bytes, vector i of text i.
    """
    first = ask(client, model, texts, "base64")
    assert (first.hits, first.misses) == (0, len(set(texts)))
    assert first.cost_usd > 0
    as_base64, as_float = ask(client, model, texts, "base64"), ask(client, model, texts, "float")
    again = [Pass("base64", (as_base64,)), Pass("float", (as_float,))]
    assert complaints(Pass("first", (first,)), again) == []
    assert (as_base64.cost_usd, as_float.cost_usd) == (0, 0)
    assert (as_base64.tokens, as_float.tokens) == (first.tokens, first.tokens)
    return first.vectors
