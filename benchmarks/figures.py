"""What did embedding the passages come to? One request's answer, the sums of a pass, and their table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

_CACHE = re.compile(r"hits=(\d+); misses=(\d+)")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request brought: `vectors` as float32 in little-endian bytes, vector i of input i."""

    vectors: tuple[bytes, ...]
    hits: int
    misses: int
    tokens: int
    cost_usd: Decimal
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Pass:
    """All requests of one pass over the passages."""

    title: str
    answers: tuple[Answer, ...]

    def vectors(self) -> list[bytes]:
        """Return the vectors in the passages' order."""
        return [vector for answer in self.answers for vector in answer.vectors]

    def hits(self) -> int:
        """Return how many inputs came from the cache."""
        return sum(answer.hits for answer in self.answers)


def read_cache_header(value: str) -> tuple[int, int]:
    """Return the hits and the misses that `x-embedge-cache` names. Raises: ValueError."""
    found = _CACHE.fullmatch(value)
    if found is None:
        raise ValueError(f"x-embedge-cache is not of the form 'hits=1; misses=2': {value!r}")
    return int(found[1]), int(found[2])


def rows(of: Pass, price_usd_per_million_tokens: Decimal) -> Mapping[str, str]:
    """Return a pass's column. Saved: what its tokens cost at the model's price, less what was paid."""
    inputs, misses = len(of.vectors()), sum(answer.misses for answer in of.answers)
    tokens = sum(answer.tokens for answer in of.answers)
    cost_usd = sum((answer.cost_usd for answer in of.answers), Decimal(0))
    saved_usd = tokens * price_usd_per_million_tokens / _MILLION - cost_usd
    return {
        "inputs": f"{inputs:,}",
        "hits": f"{of.hits():,}",
        "misses": f"{misses:,}",
        "in-batch duplicates": f"{inputs - of.hits() - misses:,}",
        "vectors per second": f"{inputs / sum(answer.elapsed_s for answer in of.answers):,.0f}",
        "tokens": f"{tokens:,}",
        "cost, USD": f"{cost_usd:.8f}",
        "saved, USD": f"{saved_usd:.8f}",
    }


def table(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Lay columns of the same rows side by side, numbers to the right."""
    names = list(next(iter(columns.values())))
    lines = [["", *columns], *([name, *(column[name] for column in columns.values())] for name in names)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def complaints(first: Pass, again: Sequence[Pass]) -> list[str]:
    """Return what is wrong with repeated passes: each must be all hits, and bring the first one's vectors exactly."""
    wrong: list[str] = []
    expected = first.vectors()
    for repeated in again:
        missed = len(expected) - repeated.hits()
        differing = sum(one != other for one, other in zip(expected, repeated.vectors(), strict=True))
        if missed:
            wrong.append(f"{repeated.title}: {missed:,} of {len(expected):,} inputs were no hits")
        if differing:
            wrong.append(f"{repeated.title}: {differing:,} of {len(expected):,} vectors differ from the first pass's")
    return wrong
