"""What does the local server bear? `make bench-server`: hits and misses, 1, 32 and 256 at once, before a stub upstream.

The router is that of `make run`, in a process of its own; the stub is in another, and the load in this one. A text is a
hit where it is one of a hundred that were asked for before, and a miss where nobody has asked for it.

`--leak 200000` sends so many requests, one in ten a miss, and compares the memory of the last quarter with that of the
second: by then the cache in memory is full. It ends with status 1 where that grew by over 5 %. Pages of the database,
of which the system maps as many as it likes, are no memory of the process's own.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median, quantiles

from benchmarks.server.load import Load, Seen, run

_CONCURRENCIES = (1, 32, 256)
_KNOWN = 100
_FOR_EVER = 10**9
_PIECES = 40
_MOST_GROWTH = 0.05
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Served:
    """A router under load: where, with what token, and its process."""

    port: int
    token: str
    pid: int

    def load(self, text: Callable[[int], str]) -> Load:
        """Return a load of these texts."""
        return Load(self.port, self.token, text)

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Return how much memory it has now: all of it, or `RssAnon`, its own without pages of files."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith(f"{what}:"))
        return int(line.split()[1]) * 1024 / 1e6

    def processor_s(self) -> float:
        """Return its processor time so far, of all its threads (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9


def main() -> None:
    """Print the table, or look for a leak."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-server-") as folder, _served(Path(folder)) as served:
        asyncio.run(_fill(served))
        if arguments.leak:
            asyncio.run(_leak(served, arguments.leak))
        else:
            asyncio.run(_table(served, arguments.seconds))


_new = count()


def _known(number: int) -> str:
    return f"a passage that was asked for before, number {number % _KNOWN}"


def _unknown(_: int) -> str:
    return f"a passage that nobody has asked for, number {next(_new)}"


async def _fill(served: Served) -> None:
    seen = await run(served.load(_known), 1, 2 * _KNOWN, _FOR_EVER)
    _check(seen)


async def _table(served: Served, seconds: float) -> None:
    heads = ("at once", "requests/s", "p50, ms", "p99, ms", "processor, ms", "memory, MB")
    print(f"{'':8}" + "".join(f"{head:>15}" for head in heads))
    for name, text in (("hits", _known), ("misses", _unknown)):
        for concurrency in _CONCURRENCIES:
            before_s = served.processor_s()
            seen = await run(served.load(text), concurrency, _FOR_EVER, seconds)
            _check(seen)
            taken_ms = 1000 * (served.processor_s() - before_s) / len(seen.seconds)
            cuts = quantiles(seen.seconds, n=100)
            print(
                f"{name:8}{concurrency:15}{len(seen.seconds) / seen.elapsed_s:15,.0f}{1000 * cuts[49]:15.2f}"
                f"{1000 * cuts[98]:15.2f}{taken_ms:15.3f}{served.memory_mb():15.0f}",
                flush=True,
            )


async def _leak(served: Served, requests: int) -> None:
    """Raises: SystemExit where memory grew."""
    load = served.load(lambda number: _known(number) if number % 10 else _unknown(number))
    memory_mb: list[float] = []
    for piece in range(_PIECES):
        _check(await run(load, 32, requests // _PIECES, _FOR_EVER))
        memory_mb.append(served.memory_mb("RssAnon"))
        sent = (piece + 1) * (requests // _PIECES)
        print(f"{sent:9,} requests: {memory_mb[-1]:6.1f} MB of its own, {served.memory_mb():6.1f} in all", flush=True)
    early, late = median(memory_mb[_PIECES // 4 : _PIECES // 2]), median(memory_mb[-_PIECES // 4 :])
    growth = late / early - 1
    print(f"second quarter {early:.1f} MB, last quarter {late:.1f} MB: {100 * growth:+.1f} %")
    if growth > _MOST_GROWTH:
        raise SystemExit(1)


def _check(seen: Seen) -> None:
    if seen.errors:
        raise SystemExit(f"{len(seen.errors)} requests failed, the first with {seen.errors[0]!r}")


@contextmanager
def _served(folder: Path) -> Generator[Served]:
    with _child("stub") as (stub, _), _child("router", str(folder), stub.strip()) as (told, pid):
        read = json.loads(told)
        yield Served(read["port"], read["token"], pid)


@contextmanager
def _child(module: str, *arguments: str) -> Generator[tuple[str, int]]:
    """Start a program that prints a line when it serves, and ends when its standard input closes."""
    command = [sys.executable, "-m", f"benchmarks.server.{module}", *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"the {module} did not start; what it says is above")
        yield line, process.pid
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each case")
    parser.add_argument("--leak", type=int, default=0, metavar="REQUESTS", help="look for a leak instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
