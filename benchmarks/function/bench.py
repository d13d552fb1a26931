"""What does our function take, beside a naive one? `make bench`, and `make bench-quick` in under a minute.

Both run under Lambda's real runtime client, one process for each, and are asked in turn, so that whatever else this
machine does meets both. Only the ratios mean anything.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.function.artifact import build
from benchmarks.function.asked import CASES, FIRST, FROM_MEMORY, Case, filling
from benchmarks.function.environment import Environment, Took
from benchmarks.function.results import HEAD, Result, write
from benchmarks.function.sides import MEMORY, Cloud, Side, both

_STARTS = 12
_NOTHINGS = 400
_EMPTY = Path(__file__).parents[1] / "empty"
_LOADING = 2  # of each case come first and do not count: they are for what is loaded late
_RESULTS = Path(__file__).parents[1] / "results.json"


def main() -> None:
    """Print the table, and write it down."""
    arguments = _arguments()
    with both(build()) as (ours, naive, cloud, logs):
        bench = Bench(ours, naive, cloud, logs)
        share = 8 if arguments.quick else 1
        chosen, of_memory = (
            [
                replace(case, rounds=max(3, case.rounds // share))
                for case in cases
                if arguments.only in (None, case.name)
            ]
            for cases in (CASES, FROM_MEMORY)
        )
        results = bench.cases(chosen) + bench.from_memory(of_memory)
        results += [] if arguments.only else bench.lives(max(3, _STARTS // share))
        client_ms = bench.client_ms(_NOTHINGS // share)
    print(HEAD)
    for result in results:
        print(result.line(), flush=True)
    print(f"{client_ms:.2f} of each is the runtime client's: a function that does nothing takes that")
    if not arguments.only:
        write(results, _RESULTS)


class Bench:
    """Both functions, and what they stand on."""

    def __init__(self, ours: Side, naive: Side, cloud: Cloud, logs: Path) -> None:
        """Take them, and where their logs go."""
        self._sides = (ours, naive)
        self._cloud = cloud
        self._logs = logs

    def cases(self, cases: Sequence[Case]) -> list[Result]:
        """Ask two warm environments for each case in turn."""
        return self._in_turn(self._sides, cases) if cases else []

    def from_memory(self, cases: Sequence[Case]) -> list[Result]:
        """Do so where ours keeps in memory what it has read, as it does unless told otherwise."""
        ours, naive = self._sides
        variables = {name: value for name, value in ours.program.variables.items() if name != MEMORY}
        keeping = replace(ours, program=replace(ours.program, name="ours-from-memory", variables=variables))
        return self._in_turn((keeping, naive), cases) if cases else []

    def _in_turn(self, sides: tuple[Side, Side], cases: Sequence[Case]) -> list[Result]:
        environments = [self._start(side) for side in sides]
        try:
            for body in filling():
                for side, environment in zip(sides, environments, strict=True):
                    _ask(environment, side, Case("filling", rounds=1), body)
            return [_case(case, sides, environments) for case in cases]
        finally:
            for environment in environments:
                environment.close()

    def lives(self, starts: int) -> list[Result]:
        """Start, ask once, and ask again after a freeze in which the servers have closed every connection."""
        init: tuple[list[Took], list[Took]] = ([], [])
        first: tuple[list[Took], list[Took]] = ([], [])
        frozen: tuple[list[Took], list[Took]] = ([], [])
        for _ in range(starts):
            for side, inits, firsts, frozens in zip(self._sides, init, first, frozen, strict=True):
                environment = self._start(side)
                inits.append(environment.init)
                firsts.append(_ask(environment, side, FIRST, FIRST.body()))
                frozens.append(self._after_a_freeze(environment, side))
                environment.close()
        names = ("init", "first request", "after a freeze")
        return [Result(name, *took) for name, took in zip(names, (init, first, frozen), strict=True)]

    def client_ms(self, count: int) -> float:
        """Return what it takes, of the processor, to hand one hit's event to a function that does nothing."""
        ours = self._sides[0]
        program = replace(ours.program, name="empty", folders=(_EMPTY, ours.program.folders[-1]), variables={})
        empty = replace(ours, program=program)
        environment = self._start(empty)
        try:
            took = [_ask(environment, empty, FIRST, FIRST.body()) for _ in range(count)]
        finally:
            environment.close()
        return median(one.cpu_ms for one in took)

    def _after_a_freeze(self, environment: Environment, side: Side) -> Took:
        _ask(environment, side, FIRST, FIRST.body())
        environment.freeze()
        self._cloud.tell("/-/close")
        time.sleep(0.05)
        environment.thaw()
        return _ask(environment, side, FIRST, FIRST.body())

    def _start(self, side: Side) -> Environment:
        return Environment(side.program, self._logs / f"{side.program.name}.log")


def _case(case: Case, sides: tuple[Side, Side], environments: Sequence[Environment]) -> Result:
    took: tuple[list[Took], list[Took]] = ([], [])
    for _ in range(case.rounds + _LOADING):
        for side, environment, took_by_it in zip(sides, environments, took, strict=True):
            took_by_it.append(_ask(environment, side, case, case.body()))
    return Result(case.name, *(by_it[_LOADING:] for by_it in took))


def _ask(environment: Environment, side: Side, case: Case, body: bytes) -> Took:
    answered = environment.invoke(side.events[case.who](body))
    answer = answered.read()
    if answer["statusCode"] != case.status:
        raise SystemExit(f"bench: {side.program.name} answered {case.name} with {answer}"[:2000])
    return answered.took


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the rounds")
    parser.add_argument("--only", help="one case, by its name")
    return parser.parse_args()


if __name__ == "__main__":
    main()
