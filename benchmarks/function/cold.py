"""How soon does what `sam build` left answer under Lambda's own emulator, beside a naive function? `make bench-cold`.

Each is started anew in every round, in turn; its requests ask for one text each that is in the table and nowhere
nearer, over TLS. The naive function is measured with its bytecode and, as `sam build` by itself ships it, without. Only
ratios within one run mean anything: processor time is the one to trust on a machine that does other things too.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import orjson

from benchmarks.figures import table
from benchmarks.function.artifact import build
from benchmarks.function.emulator import Started, start
from benchmarks.function.environment import Program
from benchmarks.function.sides import Side, both


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    with both(build()) as (ours, naive, _, folder), tempfile.TemporaryDirectory(prefix="cold-") as copies:
        without = replace(naive, program=_without_bytecode(naive.program, Path(copies)))
        asked = {"ours": ours, "naive": naive, "naive, no bytecode": without}
        seen: dict[str, list[Started]] = {name: [] for name in asked}
        for number in range(arguments.rounds + 1):
            for name, side in asked.items():
                started = start(side.program, _events(side, arguments.warm + 1), folder)
                if number:  # the first round fills the cache
                    seen[name].append(started)
        print(table({name: _column(started, seen["ours"]) for name, started in seen.items()}))


def _events(side: Side, count: int) -> list[bytes]:
    bodies = [{"model": "bench", "input": f"text {number}", "encoding_format": "base64"} for number in range(count)]
    return [side.events["known"](orjson.dumps(body)) for body in bodies]


def _without_bytecode(program: Program, into: Path) -> Program:
    """Return the same from folders that have none."""
    *own, runtime = program.folders
    for number, folder in enumerate(own):
        shutil.copytree(folder, into / str(number), ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.link)
    folders = [*(into / str(number) for number in range(len(own))), runtime]
    return replace(program, folders=folders)


def _column(seen: Sequence[Started], ours: Sequence[Started]) -> Mapping[str, str]:
    rows = _medians(seen)
    ratios = {name: value / _medians(ours)[name] for name, value in rows.items()}
    return {name: f"{value:.1f} (x {ratios[name]:.1f})" for name, value in rows.items()}


def _medians(seen: Sequence[Started]) -> Mapping[str, float]:
    """Return the medians over all starts."""
    return {
        "init, ms": median(one.init_ms for one in seen),
        "init, ms of processor": median(one.init_processor_ms for one in seen),
        "first request, ms": median(one.first_ms for one in seen),
        "first request, ms of processor": median(one.first_processor_ms for one in seen),
        "both, ms of processor": median(one.init_processor_ms + one.first_processor_ms for one in seen),
        "warm request, ms": median(taken for one in seen for taken in one.warm_ms),
        "warm request, ms of processor": median(taken for one in seen for taken in one.warm_processor_ms),
        "memory, MB": median(one.memory_mb for one in seen),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each function, besides a first one")
    parser.add_argument("--warm", type=int, default=20, help="requests after the first one of each start")
    return parser.parse_args()


if __name__ == "__main__":
    main()
