"""How soon does what `sam build` made answer, beside a naive function of the same packages? `make bench-cold`.

Each is started anew in every round, in turn, under Lambda's runtime interface emulator and with Lambda's own Python and
runtime client. Its requests ask for one text each that is in DynamoDB and nowhere nearer. Only ratios within one run
mean anything: processor time is the one to trust on a machine that does other things too.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.artifact import deployed_function, naive_function
from benchmarks.emulator import Function, Started, start
from benchmarks.figures import table
from benchmarks.tables import Caller, behind_functions
from tests.e2e.tools import here

_NEEDED = ("python3.13", "sam", "ministack", "runtime")


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    if missing := [tool for tool in _NEEDED if not here(tool)]:
        raise SystemExit(f"bench-cold needs {', '.join(missing)}: see tests/tools/setup.sh")
    with tempfile.TemporaryDirectory(prefix="cold-") as folder, behind_functions() as (ours, naive):
        asked: Mapping[str, tuple[Function, Caller]] = {
            "ours": (deployed_function(Path(folder) / "built", ours.environment), ours),
            "naive": (naive_function(naive.environment, bytecode=True), naive),
            "naive, no bytecode": (naive_function(naive.environment, bytecode=False), naive),
        }
        texts = [f"the text with the number {number}" for number in range(arguments.warm + 1)]
        seen: dict[str, list[Started]] = {name: [] for name in asked}
        for number in range(arguments.rounds + 1):
            for name, (function, caller) in asked.items():
                started = start(function, [caller.event(text) for text in texts])
                if number:  # the first round fills the cache
                    seen[name].append(started)
        print(table({name: _column(started, seen["ours"]) for name, started in seen.items()}))


def _column(seen: Sequence[Started], ours: Sequence[Started]) -> Mapping[str, str]:
    rows = _medians(seen)
    ratios = {name: value / _medians(ours)[name] for name, value in rows.items()}
    return {name: f"{value:.1f} (x {ratios[name]:.1f})" for name, value in rows.items()}


def _medians(seen: Sequence[Started]) -> Mapping[str, float]:
    """Return the median over all starts."""
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
