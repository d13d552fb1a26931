"""What does the local server bear? `make bench-server`: hits and misses, 1, 32 and 256 at once, before a stub upstream.

The router is that of `make run`, in a process of its own; the stub is in another, and the load in this one. A text is a
hit where it is one of a hundred that were asked for before, and a miss where nobody has asked for it. A second table
shows what was reached of the goals.

`--leak 200000` sends so many requests, one in ten a miss, and compares the memory of the last quarter with that of the
second: by then the cache in memory is full. It ends with status 1 where that grew by over 5 %. Pages of the database,
of which the system maps as many as it likes, are no memory of the process's own.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median, quantiles

from benchmarks.server.goals import Began, measured, show, start
from benchmarks.server.load import FOR_EVER, checked
from benchmarks.server.served import Served, served, stub
from benchmarks.server.texts import KNOWN, known, unknown

_CONCURRENCIES = (1, 32, 256)
_PIECES = 40
_MOST_GROWTH = 0.05
# For a leak small, so that it is soon full; else what `make run` has.
_SMALL_CACHE_BYTES, _USUAL_CACHE_BYTES = 16_000_000, 64_000_000


def main() -> None:
    """Print the tables, or look for a leak."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-server-") as made, stub() as port:
        folder = Path(made)
        if arguments.leak:
            with served(folder, port, _SMALL_CACHE_BYTES) as router:
                asyncio.run(_leak(router, arguments.leak))
            return
        began = start(folder, port, _USUAL_CACHE_BYTES)
        with served(folder, port, _USUAL_CACHE_BYTES) as router:
            asyncio.run(_tables(router, arguments.seconds, began))


async def _tables(router: Served, seconds: float, began: Began) -> None:
    await _fill(router)
    heads = ("at once", "requests/s", "p50, ms", "p99, ms", "processor, ms", "memory, MB")
    print(f"{'':8}" + "".join(f"{head:>15}" for head in heads))
    for name, text in (("hits", known), ("misses", unknown)):
        for concurrency in _CONCURRENCIES:
            before_s = router.processor_s()
            seen = await checked(router.load(text), concurrency, FOR_EVER, seconds)
            taken_ms = 1000 * (router.processor_s() - before_s) / len(seen.seconds)
            cuts = quantiles(seen.seconds, n=100)
            print(
                f"{name:8}{concurrency:15}{len(seen.seconds) / seen.elapsed_s:15,.0f}{1000 * cuts[49]:15.2f}"
                f"{1000 * cuts[98]:15.2f}{taken_ms:15.3f}{router.memory_mb():15.0f}",
                flush=True,
            )
    show([*await measured(router, seconds), *began.rows(router.memory_mb())])


async def _fill(router: Served) -> None:
    await checked(router.load(known), 1, 2 * KNOWN, FOR_EVER)


async def _leak(router: Served, requests: int) -> None:
    """Raises: SystemExit where memory grew."""
    await _fill(router)
    load = router.load(lambda number: known(number) if number % 10 else unknown(number))
    memory_mb: list[float] = []
    for piece in range(_PIECES):
        await checked(load, 32, requests // _PIECES, FOR_EVER)
        memory_mb.append(router.memory_mb("RssAnon"))
        sent = (piece + 1) * (requests // _PIECES)
        print(f"{sent:9,} requests: {memory_mb[-1]:6.1f} MB of its own, {router.memory_mb():6.1f} in all", flush=True)
    early, late = median(memory_mb[_PIECES // 4 : _PIECES // 2]), median(memory_mb[-_PIECES // 4 :])
    growth = late / early - 1
    print(f"second quarter {early:.1f} MB, last quarter {late:.1f} MB: {100 * growth:+.1f} %")
    if growth > _MOST_GROWTH:
        raise SystemExit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each case")
    parser.add_argument("--leak", type=int, default=0, metavar="REQUESTS", help="look for a leak instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
