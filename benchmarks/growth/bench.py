"""How does what the router takes grow? `make bench-growth`: a table, and pictures of it in docs/growth/.

By inputs of a request, by dimensions, by routes, and by tenants. In processor time, which a busy machine leaves alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.growth.chart import Panel, draw
from benchmarks.stub_upstream import stub_upstream

_ROOT = Path(__file__).parents[2]
_DECADES = (1, 10, 100, 1_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Kind:
    """What grows: its sizes, what its two times are called, and whether they are divided by the size."""

    sizes: Sequence[int]
    across: str
    cold: str
    warm: str
    each: str
    divided: Mapping[int, int]


def _itself(sizes: Sequence[int]) -> Mapping[int, int]:
    return {size: size for size in sizes}


_INPUTS = (1, 4, 16, 64, 256, 1024, 2048)
_DIMENSIONS = (256, 512, 1024, 1536, 2048, 3072, 4096)
KINDS = {
    "inputs": Kind(_INPUTS, "inputs of a request", "misses", "hits", "an input", _itself(_INPUTS)),
    "dimensions": Kind(_DIMENSIONS, "dimensions", "misses", "hits", "an input", dict.fromkeys(_DIMENSIONS, 100)),
    "routes": Kind(_DECADES, "routes", "first reading", "reading again", "a route", _itself(_DECADES)),
    "tenants": Kind(_DECADES, "tenants", "first request", "next request", "a request", dict.fromkeys(_DECADES, 1)),
}


def main() -> None:
    """Print the tables and draw the pictures."""
    for name in _arguments().only:
        kind = KINDS[name]
        seen = {size: _measured(name, size) for size in kind.sizes}
        print(f"\n{kind.across:>20}{kind.cold + ', ms':>22}{kind.warm + ', ms':>22}", end="")
        print(f"{kind.cold + ', us each':>26}{kind.warm + ', us each':>26}{'memory, MB':>14}")
        for size, row in seen.items():
            each = [1000 * row[which] / kind.divided[size] for which in ("cold_ms", "warm_ms")]
            print(
                f"{size:20,}{row['cold_ms']:22.2f}{row['warm_ms']:22.2f}{each[0]:26.1f}{each[1]:26.1f}"
                f"{row['memory_mb']:14.1f}",
                flush=True,
            )
        draw(_panels(kind, seen), _ROOT / "docs" / "growth" / f"{name}.png")


def _panels(kind: Kind, seen: Mapping[int, Mapping[str, float]]) -> list[Panel]:
    def curve(which: str) -> list[tuple[float, float]]:
        return [(size, 1000 * row[which] / kind.divided[size]) for size, row in seen.items()]

    memory = [(size, max(row["memory_mb"], 0.1)) for size, row in seen.items()]
    return [
        Panel(
            f"Processor time for {kind.each}, microseconds",
            kind.across,
            {kind.cold: curve("cold_ms"), kind.warm: curve("warm_ms")},
        ),
        Panel("Memory beyond what was there before, MB", kind.across, {"peak": memory}),
    ]


def _measured(name: str, size: int) -> Mapping[str, float]:
    with stub_upstream() as port, tempfile.TemporaryDirectory(prefix="growth-") as folder:
        command = [sys.executable, "-m", "benchmarks.growth.cases", name, str(size), str(port), folder]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as wherever the router is started
        done = subprocess.run(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603 (our own module)
    return json.loads(done.stdout)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
