"""Which goals does the local server reach? By how much requests are delayed, what is borne, and how soon it starts.

Delay is the median of requests one after the other, less that of the same requests sent to the stub itself, in turn.
The goals were set by what other people's routers take in front of such a stub, and what this one ought to.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.server.load import FOR_EVER, Encoding, Input, checked
from benchmarks.server.served import Served, served
from benchmarks.server.texts import all_known, hundred_unknown, known, most_unknown, unknown

_STARTS = 3
_ROUNDS = 5
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, in the goal's unit, and at most or at least what it should be."""

    what: str
    measured: float
    bound: Literal["≤", "≥"]
    goal: float

    def reached(self) -> bool:
        """Tell whether it is what it should be."""
        return self.measured <= self.goal if self.bound == "≤" else self.measured >= self.goal


@dataclass(frozen=True, slots=True)
class _Delay:
    """Requests that are delayed: how many of them in a round, and by how much at most."""

    what: str
    text: Callable[[int], Input]
    encoding: Encoding
    requests: int
    goal_ms: float


_DELAYS = (
    _Delay("one input, miss, base64", unknown, "base64", 80, 0.8),
    _Delay("one input, miss, float", unknown, "float", 80, 0.8),
    _Delay("one input, hit, base64", known, "base64", 80, 0.4),
    _Delay("one input, hit, float", known, "float", 80, 0.4),
    _Delay("100 inputs, miss, base64", hundred_unknown, "base64", 8, 2.5),
    _Delay("100 inputs, miss, float", hundred_unknown, "float", 8, 7),
    _Delay("100 inputs, hit, base64", all_known, "base64", 8, 1.5),
    _Delay("100 inputs, hit, float", all_known, "float", 8, 6),
    _Delay("2048 inputs, miss, base64", most_unknown, "base64", 1, 40),
    _Delay("2048 inputs, miss, float", most_unknown, "float", 1, 100),
)


@dataclass(frozen=True, slots=True)
class Began:
    """How long starts took, to the first answer, and how much memory there was then."""

    seconds: float
    memory_mb: float

    def rows(self, loaded_mb: float) -> tuple[Row, ...]:
        """Return this beside its goals, and the memory after all load."""
        return (
            Row("start to first answer, s", self.seconds, "≤", 0.35),
            Row("memory at start, MB", self.memory_mb, "≤", 90),
            Row("memory after all load, MB", loaded_mb, "≤", 150),
        )


def start(folder: Path, stub_port: int, memory_cache_bytes: int) -> Began:
    """Return medians of several starts, the first of all left out: it makes the state."""
    taken: list[tuple[float, float]] = []
    for _ in range(1 + _STARTS):
        began_s = time.perf_counter()
        with served(folder, stub_port, memory_cache_bytes) as router:
            asyncio.run(checked(router.load(known), 1, 1, FOR_EVER))
            taken.append((time.perf_counter() - began_s, router.memory_mb()))
    return Began(median(seconds for seconds, _ in taken[1:]), median(memory for _, memory in taken[1:]))


async def measured(router: Served, seconds: float) -> list[Row]:
    """Return what a running router reaches; `seconds` for each rate."""
    rows = [Row(f"{delay.what}, ms", await _added_ms(router, delay), "≤", delay.goal_ms) for delay in _DELAYS]
    hits = await checked(router.load(known), _AT_ONCE, FOR_EVER, seconds)
    slow = await checked(router.load(unknown, model="slow"), _AT_ONCE, FOR_EVER, seconds)
    return [
        *rows,
        Row(f"hits a second, {_AT_ONCE} at once", len(hits.seconds) / hits.elapsed_s, "≥", 2500),
        Row(f"misses a second, {_AT_ONCE} at once, 50 ms upstream", len(slow.seconds) / slow.elapsed_s, "≥", 600),
    ]


async def _added_ms(router: Served, delay: _Delay) -> float:
    loads = router.stub_load(delay.text, delay.encoding), router.load(delay.text, delay.encoding)
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for load, seconds in zip(loads, taken, strict=True):
            seconds.extend((await checked(load, 1, delay.requests, FOR_EVER)).seconds)
    stub_s, ours_s = map(median, taken)
    return 1000 * (ours_s - stub_s)


def show(rows: Iterable[Row]) -> None:
    """Print the table."""
    print(f"\n{'':48}{'measured':>12}{'goal':>10}")
    for row in rows:
        places = 0 if row.measured >= 100 else 2
        verdict = "reached" if row.reached() else "missed"
        print(f"{row.what:48}{row.measured:12,.{places}f}{f'{row.bound} {row.goal:,g}':>10}   {verdict}")
