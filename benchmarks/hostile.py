"""Is a body that is refused, refused in time linear in its size? `make bench-hostile`.

Every kind at sizes that double up to the limit, in-process, by processor time, which other programs disturb least. The
exponent is that of time over size, fitted to the larger half: 1 is linear and 2 is quadratic; what leaves the
processor's caches on the way comes to as much as 1.4. A report: no test asserts a time.
"""

import asyncio
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import linear_regression

from benchmarks.hostile_bodies import GZIP, PLAIN, route
from benchmarks.in_process import Router, router
from embedge.core.request import MAX_BODY_BYTES

_SIZES = tuple(MAX_BODY_BYTES >> halvings for halvings in range(6, -1, -1))
_FITTED = 4
_TRIES = 5
_MOST_LINEAR = 1.5
_REFUSED = {400, 413, 415}


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())


async def _measure() -> None:
    print(f"{'ms, at KB':44}", *(f"{size // 1024:>7}" for size in _SIZES), "   ns a byte  exponent  status")
    with tempfile.TemporaryDirectory() as folder:
        async with router(Path(folder), route()) as asked:
            await asked.ask(b"{}")  # what is loaded once is loaded
            wrong = [name for name, make in PLAIN.items() if not await _row(asked, name, make, "identity")]
            wrong += [name for name, make in GZIP.items() if not await _row(asked, name, make, "gzip")]
    print(
        f"\nNOT linear, or not refused: {', '.join(wrong)}" if wrong else "\nAll are refused, and all in linear time."
    )


async def _row(asked: Router, name: str, make: Callable[[int], bytes], encoding: str) -> bool:
    """Print one kind's row; tell whether it was refused at every size, and in linear time."""
    best_s: list[float] = []
    statuses: set[int] = set()
    for size in _SIZES:
        body = make(size)
        answers = [await asked.ask(body, {"content-encoding": encoding}) for _ in range(_TRIES)]
        best_s.append(min(answer.processor_s for answer in answers))
        statuses |= {answer.status for answer in answers}
    exponent = fitted_exponent(_SIZES[-_FITTED:], best_s[-_FITTED:])
    linear = exponent <= _MOST_LINEAR
    times = " ".join(f"{1000 * seconds:7.2f}" for seconds in best_s)
    shown = ",".join(map(str, sorted(statuses)))
    verdict = "linear" if linear else "NOT linear"
    print(f"{name:44} {times} {1e9 * best_s[-1] / _SIZES[-1]:11.2f} {exponent:9.2f}  {shown}  {verdict}", flush=True)
    return linear and statuses <= _REFUSED


def fitted_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the k of time ~ size^k that fits best."""
    return linear_regression([math.log(size) for size in sizes], [math.log(second) for second in seconds]).slope


if __name__ == "__main__":
    main()
