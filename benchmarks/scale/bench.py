"""Does the ledger carry 100,000 requests a second of one tenant, 10,000 instances, three Regions? `make bench-scale`.

The router's own ledger, rates, usage and polls, in virtual time, over a table that throttles as DynamoDB does. Prints
tables, draws docs/scale/, and ends with status 1 where more was billed than a budget. `--quick` is a few seconds of it.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.figures import table
from benchmarks.growth.chart import Panel, draw
from benchmarks.scale.dynamodb import Heat
from benchmarks.scale.fleet import carry_out
from benchmarks.scale.load import TENANT, Load, Result
from benchmarks.scale.regions import Shared, World, share
from benchmarks.scale.scenarios import BUDGETS, QUICK, QUICK_WORLDS, SIZES, SMALL, WHOLE, WORLDS
from embedge.adapters.routes_control import ROUTES
from embedge.core.changes import CHANGES
from embedge.core.generations import GENERATIONS
from embedge.core.usage import PARTITION

_DOCS = Path(__file__).parents[2] / "docs" / "scale"
_PROCESSES = 2
_KEYS = {
    "balance, B": TENANT,
    "rate of requests": f"RATE#{TENANT}",
    "usage rows": f"{PARTITION}{TENANT}",
    "leases, hottest": "leases, hottest",
    "leases, all 16": "leases, all 16",
}
_READ = {f"{name}, read": name for name in (ROUTES, GENERATIONS, CHANGES)}
_DRAWN = {"B": TENANT, "usage": _KEYS["usage rows"], "a lease": "leases, hottest"}


def main() -> None:
    """Print what came of each part; end with status 1 where more was billed than a budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small loads and a world of Regions, for some seconds")
    parser.add_argument("--only", choices=("whole", "small", "curves", "regions"), help="one part")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(_PROCESSES) as pool:
        if arguments.quick:
            wrong = [
                *_show_loads(pool.map(carry_out, QUICK)),
                *_show_worlds(QUICK_WORLDS, pool.map(share, QUICK_WORLDS.values())),
            ]
        else:
            wrong = _all(pool, arguments.only)
    sys.exit("\n".join(wrong) or 0)


def _all(pool: ProcessPoolExecutor, only: str | None) -> list[str]:
    wrong: list[str] = []
    if only in {None, "whole"}:
        wrong += _show_whole([*pool.map(carry_out, WHOLE)])
    if only in {None, "small"}:
        wrong += _show_loads(pool.map(carry_out, SMALL))
    if only in {None, "regions"}:
        wrong += _show_worlds(WORLDS, pool.map(share, WORLDS.values()))
    if only in {None, "curves"}:
        wrong += _show_curves(_results(pool, BUDGETS), _results(pool, SIZES))
    return wrong


def _results(pool: ProcessPoolExecutor, loads: Mapping[int, Load]) -> Mapping[int, Result]:
    return dict(zip(loads, pool.map(carry_out, loads.values()), strict=True))


def problems(result: Result) -> list[str]:
    """Say what is not as it must be."""
    over = result.seen.billed - result.load.limits.day_nano_usd
    return [f"{result.load.title}: {over / 1e9:.6f} USD more were billed than the budget"] if over > 0 else []


def _show_whole(results: Sequence[Result]) -> list[str]:
    """Print what comes to each key of all Regions together, a second of the last third of the time."""
    first_s, last_s = _last_third(results[0].load)
    print(f"{sum(len(r.seen.delays_s) for r in results):,} paid requests; 503: ", end="")
    print(", ".join(f"{r.share('unavailable', first_s):.2%}" for r in results), "in the last third of the time")
    columns: dict[str, dict[str, str]] = {}
    for name, pk in {**_KEYS, **_READ}.items():
        heats = [r.writes.get(pk) or r.reads.get(pk) or Heat() for r in results]
        columns[name] = {
            "all Regions, units/s": f"{sum(heat.mean(first_s, last_s) for heat in heats):,.0f}",
            "one Region, units/s": f"{max(heat.mean(first_s, last_s) for heat in heats):,.0f}",
            "its busiest second": f"{max(heat.busiest() for heat in heats):,}",
            "turned away": f"{sum(h.throttled + h.conflicts for h in heats) / _asked(heats):.1%}",
        }
    print(_transposed(columns))
    return [problem for result in results for problem in problems(result)]


def _show_loads(results: Iterable[Result]) -> list[str]:
    """Print a line for each load: what one Region comes to, at full size."""
    wrong: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    for result in results:
        rows[result.load.title or "quick"] = _row(result)
        wrong += problems(result)
    print(_transposed(rows))
    return wrong


def _row(result: Result) -> dict[str, str]:
    load, seen = result.load, result.seen
    first_s, last_s = _last_third(load)
    day, heat = load.limits.day_nano_usd, result.writes
    delays = sorted(seen.delays_s) or [0.0]
    of_rate = seen.most_over_admitted / load.limits.requests_per_minute
    return {
        "503": f"{result.share('unavailable'):.1%}",
        "late": f"{result.share('unavailable', first_s):.1%}",
        "p99 ms": f"{1000 * delays[int(len(delays) * 0.99)]:.0f}",
        "B late": f"{heat[TENANT].mean(first_s, last_s) / load.model.scale:,.0f}",
        "B most": f"{heat[TENANT].busiest() / load.model.scale:,.0f}",
        "away": f"{1 - heat[TENANT].units / _asked([heat[TENANT]]):.0%}",
        "rate": f"{heat.get(_KEYS['rate of requests'], Heat()).mean(first_s, last_s) / load.model.scale:,.0f}",
        "usage": f"{heat[_KEYS['usage rows']].mean(first_s, last_s) / load.model.scale:,.0f}",
        "over rate": f"{of_rate:.1f} min" if of_rate > 0 else "no",
        "leased": f"{max(seen.leased) / day:.2%}",
        "stranded": f"{max(seen.stranded) / day:.2%}",
        "lo": f"{result.balance['lo'] / day:.3%}",
        "written off": f"{result.written_off() / day:.3%}",
        "billed": f"{seen.billed / day:.2%}",
    }


def _show_worlds(worlds: Mapping[str, World], shared: Iterable[Shared]) -> list[str]:
    """Print a line for each way of sharing a budget among Regions."""
    wrong: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    for (title, world), one in zip(worlds.items(), shared, strict=True):
        budget = world.budget_nano_usd
        rows[title] = {
            "billed": f"{sum(one.billed) / budget:.2%}",
            "by Region": " ".join(f"{billed / budget:.0%}" for billed in one.billed),
            "steps": str(one.steps),
            "beyond the budget": f"{max(0, one.most_over_budget) / 1e9:.6f}",
        }
        wrong += [f"{title}: more was billed than the budget"] if one.most_over_budget > 0 else []
    print(_transposed(rows))
    return wrong


def _show_curves(budgets: Mapping[int, Result], sizes: Mapping[int, Result]) -> list[str]:
    """Draw what comes to the keys by the number of instances, and what is refused by the budget."""
    keys: dict[str, list[tuple[float, float]]] = {
        name: [(n, max(1.0, _late(r, pk))) for n, r in sizes.items()]
        for name, pk in {**_DRAWN, "routes": ROUTES}.items()
    }
    refused = {
        "in the whole minute": [(n, max(0.01, 100 * r.share("unavailable"))) for n, r in budgets.items()],
        "in its last third": [
            (n, max(0.01, 100 * r.share("unavailable", _last_third(r.load)[0]))) for n, r in budgets.items()
        ],
    }
    panels = [
        Panel("Units a second on a key of one Region", "instances in the Region, 10 requests/s each", keys),
        Panel("Paid requests refused with 503, %", "day's budget, in requests for each instance", refused),
    ]
    draw(panels, _DOCS / "keys.png")
    for title, curves in (("instances", keys), ("budget", refused)):
        print(_transposed({name: {f"{n:,}": f"{y:,.2f}" for n, y in curve} for name, curve in curves.items()}), title)
    return [problem for result in (*budgets.values(), *sizes.values()) for problem in problems(result)]


def _late(result: Result, pk: str) -> float:
    heat = result.writes.get(pk) or result.reads.get(pk) or Heat()
    return heat.mean(*_last_third(result.load)) / result.load.model.scale


def _last_third(load: Load) -> tuple[float, float]:
    return load.seconds * 2 / 3, load.seconds


def _asked(heats: Iterable[Heat]) -> int:
    return max(1, sum(heat.units + heat.throttled + heat.conflicts for heat in heats))


def _transposed(rows: Mapping[str, Mapping[str, str]]) -> str:
    names = next(iter(rows.values())).keys()
    return table({name: {title: row[name] for title, row in rows.items()} for name in names})


if __name__ == "__main__":
    main()
