"""What did it take? Medians, how far they spread, and the ratios that are to be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import orjson

from benchmarks.function.environment import Took

TARGETS: Mapping[str, float] = {
    "one hit": 3,
    "100 hits base64": 5,
    "100 hits float": 3.5,
    "700 hits base64": 6,
    "one miss": 2,
    "100 misses": 10,
    "init": 2.5,
}


@dataclass(frozen=True, slots=True)
class Result:
    """A case, and what each invocation of it took of both functions."""

    case: str
    ours: Sequence[Took]
    naive: Sequence[Took]

    def ratio(self) -> float:
        """Return how many times our processor time the naive function takes: the median of what each round says.

        Both are asked within a few milliseconds. Over all rounds a host may be now fast and now slow, and then the
        median of one falls where it was fast, and that of the other where it was slow.
        """
        return median(theirs.cpu_ms / own.cpu_ms for own, theirs in zip(self.ours, self.naive, strict=True))

    def line(self) -> str:
        """Return it as a row of the table."""
        target = TARGETS.get(self.case)
        reached = "" if target is None else f"{target:7.1f}  {'reached' if self.ratio() >= target else 'missed'}"
        walls = f"{_wall_ms(self.ours):9.2f} {_wall_ms(self.naive):9.2f}"
        return (
            f"{self.case:17} {_spread(self.ours):>20} {_spread(self.naive):>23} {self.ratio():6.1f} {walls} {reached}"
        ).rstrip()

    def row(self) -> dict[str, str | float]:
        """Return it as it is written down."""
        return {
            "case": self.case,
            "ours_cpu_ms": round(_cpu_ms(self.ours), 3),
            "naive_cpu_ms": round(_cpu_ms(self.naive), 3),
            "ratio": round(self.ratio(), 2),
            "ours_wall_ms": round(_wall_ms(self.ours), 3),
            "naive_wall_ms": round(_wall_ms(self.naive), 3),
        }


HEAD = f"{'CPU, ms (quartiles)':17} {'ours':>17} {'naive':>23} {'ratio':>6} {'wall':>9} {'wall':>9} {'target':>7}"


def write(results: Sequence[Result], file: Path) -> None:
    """Write the medians down, for programs."""
    file.write_bytes(orjson.dumps([result.row() for result in results], option=orjson.OPT_INDENT_2) + b"\n")


def _cpu_ms(took: Sequence[Took]) -> float:
    return median(one.cpu_ms for one in took)


def _wall_ms(took: Sequence[Took]) -> float:
    return median(one.wall_ms for one in took)


def _spread(took: Sequence[Took]) -> str:
    if len(took) == 1:
        return f"{_cpu_ms(took):.2f}"
    low, _, high = quantiles([one.cpu_ms for one in took], n=4)
    return f"{_cpu_ms(took):.2f} ({low:.2f}-{high:.2f})"
