"""Does a budget hold, and a rate, while processes are killed and frozen and replies are lost? `make bench-overspend`.

Processes with the router's real application hammer one tenant over a real table (SQLite, or DynamoDB as ministack has
it). What an upstream billed is added up there, and held to the budget. `--quick` is a short run of a few processes.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal

from benchmarks import billing_upstream
from benchmarks.billing_upstream import NANO_USD_PER_TOKEN
from benchmarks.hammering import ADMITTED_WIDTH, COUNTS, Assignment, admissions, hammer, ledger_table, rows
from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.ledger_purse import PurseLedger
from embedge.bootstrap.operating import operate_folder
from embedge.cli.key_commands import init_keys
from embedge.cli.token_commands import mint
from embedge.core.balance import Claim
from embedge.core.conditional_update import Assign, Compare, ConditionalUpdate, Item
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.lease_closing import close_dead_leases
from embedge.settings import Settings, Tables
from embedge.verification import ROUTES
from tests.e2e.ministack import DYNAMODB, ministack

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Store = Literal["sqlite", "dynamodb"]
_TENANT = "bench"
_NO_RATE = 10**9
_UNUSED_AT_MOST = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `tokens` is the budget, in tokens of the upstream; of it `spent` have been spent before."""

    title: str
    store: Store
    processes: int
    seconds: float
    tokens: int = NO_LIMIT // NANO_USD_PER_TOKEN
    spent: int = 0
    requests_per_minute: int = _NO_RATE
    tokens_per_minute: int = _NO_RATE
    failing: float = 0.0
    losing: float = 0.0
    kills: int = 0
    texts: tuple[int, int] = (20, 200)
    ends: Literal["spent", "purses", "leases", "time"] = "spent"

    def limits(self) -> Limits:
        """Return what the tenant may use."""
        money = self.tokens * NANO_USD_PER_TOKEN
        return Limits(self.requests_per_minute, self.tokens_per_minute, money, money, NO_LIMIT)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run; money in tokens of the upstream."""

    run: Run
    billed: int
    left: int
    lost_by_replies: int
    reconciled: int
    kills: int
    freezes: int
    counts: dict[str, int]
    admitted: list[tuple[float, int]]

    def problems(self) -> list[str]:
        """Say what is not as it must be."""
        run, worst = self.run, self.worst_excess()
        wrong = ["more was billed than the budget"] if self.billed + run.spent > run.tokens else []
        if run.ends == "spent" and self.unused() >= _UNUSED_AT_MOST:
            wrong.append(f"{self.unused():.2%} of the budget were left")
        most = {"purses": 1.0, "leases": 0.15}.get(run.ends)
        if most is not None and self.counts["writes_of_paid"] > most * self.counts["paid"]:
            wrong.append(f"a paid request came to more than {most} writes")
        rate = self.rate()
        if rate < _NO_RATE and worst > rate + 1:
            wrong.append(f"{worst:.0f} came beyond what a window's time adds, and {rate} are allowed")
        return wrong

    def unused(self) -> float:
        """Return the part of the budget that is left, and nobody could have used."""
        return self.left / self.run.tokens

    def rate(self) -> int:
        """Return the rate that binds."""
        return min(self.run.requests_per_minute, self.run.tokens_per_minute)

    def worst_excess(self) -> float:
        """Return the most that was admitted in any window, less what its time adds; a minute's worth is allowed."""
        worst = excess = 0.0
        last_s = 0.0
        for now_s, units in sorted(self.admitted):
            excess = max(0.0, excess - (now_s - last_s) * self.rate() / 60) + units
            worst, last_s = max(worst, excess), now_s
        return worst


def main() -> None:
    """Print what came of each run; end with status 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few processes over SQLite, for some seconds")
    parser.add_argument("--only", default="", help="only runs whose title holds this")
    parser.add_argument("--seed", type=int, default=0, help="what kills and failures are drawn from")
    arguments = parser.parse_args()
    chosen = [run for run in (QUICK if arguments.quick else _RUNS) if arguments.only in run.title]
    wrong = [problem for run in chosen for problem in _show(carry_out(run, arguments.seed))]
    sys.exit("\n".join(wrong) or 0)


def carry_out(run: Run, seed: int = 0) -> Result:
    """Carry out a run."""
    with _state(run) as (state, folder), _upstream(run) as port:
        token = asyncio.run(_prepare(run, state, folder, port))
        counts, admitted = rows(run.processes, len(COUNTS)), rows(run.processes, ADMITTED_WIDTH)
        assignments = [
            Assignment(state, token, run.limits(), run.seconds, run.losing, run.texts, *slot, seed=seed * 1000 + number)
            for number, slot in enumerate(zip(counts, admitted, strict=True))
        ]
        if run.tokens_per_minute < _NO_RATE:
            assignments = [replace(assignment, noting="tokens") for assignment in assignments]
        kills, freezes = _Chaos(run, assignments, random.Random(seed)).until_all_have_ended()  # noqa: S311 (no secret)
        sleep(0.5)  # what the killed had sent is billed by then
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            billed = json.load(answer)["billed"]
        balance, lost = asyncio.run(_closed(state))
    sums = {name: int(sum(row[at] for row in counts)) for at, name in enumerate(COUNTS)}
    return Result(
        run,
        billed,
        min(balance["da"], balance["ma"]) // NANO_USD_PER_TOKEN,
        sums["lost_nano_usd"] // NANO_USD_PER_TOKEN,
        lost // NANO_USD_PER_TOKEN,
        kills,
        freezes,
        sums,
        [one for row in admitted for one in admissions(row)],
    )


class _Chaos:
    """Starts processes, kills and freezes some at random and lets new ones take their place, until all have ended."""

    def __init__(self, run: Run, assignments: Sequence[Assignment], chance: random.Random) -> None:
        self._run = run
        self._chance = chance
        self._fork = multiprocessing.get_context("fork")
        self._live: dict[BaseProcess, Assignment] = {}
        self._frozen: dict[BaseProcess, float] = {}
        self._waiting = list(assignments)
        self._born_s = monotonic()

    def until_all_have_ended(self) -> tuple[int, int]:
        kills = freezes = 0
        pause_s = self._run.seconds / (4 * max(1, self._run.kills))
        next_s = monotonic() + 1
        while self._live or self._waiting:
            for assignment in self._waiting[:8]:
                self._start(assignment)
            del self._waiting[:8]
            sleep(0.05)
            for process in [process for process in self._live if not process.is_alive()]:
                del self._live[process]
                self._frozen.pop(process, None)
            self._thaw()
            if self._run.kills and self._live and monotonic() > next_s:
                next_s = monotonic() + self._chance.uniform(0.2, 1.8) * min(1.0, pause_s)
                if self._chance.random() < 0.5 and kills < self._run.kills:
                    kills += self._kill()
                else:
                    freezes += self._freeze()
        return kills, freezes

    def _start(self, assignment: Assignment) -> None:
        process = self._fork.Process(target=hammer, args=(assignment,), daemon=True)
        process.start()
        self._live[process] = assignment

    def _kill(self) -> int:
        process = self._chance.choice(list(self._live))
        assignment = self._live.pop(process)
        self._frozen.pop(process, None)
        process.kill()
        process.join()
        left_s = self._run.seconds - (monotonic() - self._born_s)
        self._waiting.append(replace(assignment, seed=assignment.seed + 1, seconds=max(1.0, left_s)))
        return 1

    def _freeze(self) -> int:
        process = self._chance.choice(list(self._live))
        if process in self._frozen or process.pid is None:
            return 0
        os.kill(process.pid, signal.SIGSTOP)
        self._frozen[process] = monotonic() + self._chance.uniform(0.2, 3)
        return 1

    def _thaw(self) -> None:
        for process, until_s in list(self._frozen.items()):
            if monotonic() > until_s and process.pid is not None:
                del self._frozen[process]
                os.kill(process.pid, signal.SIGCONT)


@contextlib.contextmanager
def _state(run: Run) -> Generator[tuple[Tables | Path, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        if run.store == "sqlite":
            yield Path(folder), Path(folder)
            return
        with ministack(*DYNAMODB) as aws:
            os.environ.update(aws.environment)
            yield Tables("control", "ledger", "cache"), Path(folder)


@contextlib.contextmanager
def _upstream(run: Run) -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=billing_upstream.serve, args=(listener, run.failing), daemon=True)
        process.start()
        try:
            yield listener.getsockname()[1]
        finally:
            process.kill()
            process.join()


async def _prepare(run: Run, state: Tables | Path, folder: Path, port: int) -> str:
    """Make the tables, keys, a route and a token, and spend what was spent before."""
    operation = operate_folder(folder, Settings(state=folder))
    aws = AwsClients()
    if isinstance(state, Tables):
        client = await aws.dynamodb()
        for name, keys in ((state.control, "pk sk"), (state.ledger, "pk sk"), (state.cache, "k")):
            await client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": "B" if key == "k" else "S"} for key in keys.split()
                ],
                KeySchema=[
                    {"AttributeName": key, "KeyType": role}
                    for key, role in zip(keys.split(), ("HASH", "RANGE"), strict=False)
                ],
            )
        operation = replace(operation, control=DynamoDbControlTable(aws, state.control))
    await init_keys(operation)
    await operation.control.put(ROUTES, "bench", billing_upstream.route(port).decode())
    token = await mint(operation, tenant=_TENANT, scopes=ISSUED_SCOPES, models=("*",), lifetime_s=3600)
    if run.spent:
        principal = Principal(_TENANT, frozenset(), (), run.limits())
        async with ledger_table(state) as (table, _):
            await PurseLedger(table, SystemClock()).take(principal, Claim(run.spent * NANO_USD_PER_TOKEN, 0))
    await operation.close()
    await aws.close()
    return token


async def _closed(state: Tables | Path) -> tuple[Item, int]:
    """Close what dead processes had leased; return the balance then, and what is lost with them."""
    async with ledger_table(state) as (table, leases):
        report = await close_dead_leases(table, leases, float("inf"))
        # An update that every item refuses shows it.
        balance = (
            await table.apply(_TENANT, "B", ConditionalUpdate((Assign("cv", 0),), (Compare("cv", "<", 0),)))
        ).item
    assert balance is not None
    return balance, sum(lease.lost_nano_usd for lease in report.closed)


def _show(result: Result) -> list[str]:
    run, counts, problems = result.run, result.counts, result.problems()
    print(f"{run.title}: {run.processes} processes, {run.store}, {result.kills} killed, {result.freezes} frozen")
    paid = max(1, counts["paid"])
    print(f"  requests paid {counts['paid']:,}, refused {counts['refused']:,}, failed {counts['failed']:,}")
    if run.tokens < NO_LIMIT // NANO_USD_PER_TOKEN:
        budget, written_off = run.tokens, run.tokens - run.spent - result.billed - result.left
        print(f"  budget {budget:,}, spent before {run.spent:,}, billed {result.billed:,}; left {result.unused():.3%}")
        print(
            f"  written off {written_off:,} ({written_off / budget:.2%}), of which lost replies "
            f"{result.lost_by_replies:,}, leases of the dead {result.reconciled:,}; else what the killed "
            "held, and calls nobody heard the end of"
        )
    print(
        f"  writes for a paid request: {counts['writes_of_paid'] / paid:.3f} to the ledger, "
        f"{counts['rate_writes'] / paid:.3f} to the rate of requests (all of them)"
    )
    if result.rate() < _NO_RATE:
        total = sum(units for _, units in result.admitted)
        worst = result.worst_excess()
        print(
            f"  admitted {total:,}; the worst window had {worst:,.0f} beyond its time's, of {result.rate():,} allowed"
        )
    print("  " + ("WRONG: " + "; ".join(problems) if problems else "as it must be"), flush=True)
    return [f"{run.title}: {problem}" for problem in problems]


QUICK = [
    Run("small budget", "sqlite", 4, 60, tokens=5_000, failing=0.1, losing=0.002, kills=2),
    Run("rate of requests", "sqlite", 4, 5, requests_per_minute=120, kills=1, ends="time"),
]
_RUNS = [
    Run("small budget", "sqlite", 64, 170, tokens=100_000, failing=0.1, losing=0.002, kills=20),
    Run("small budget", "dynamodb", 64, 170, tokens=40_000, failing=0.1, losing=0.002, kills=20),
    Run("a purse for each", "sqlite", 16, 60, tokens=1_500_000, ends="purses"),
    Run("leases to the end", "sqlite", 8, 170, 2_600_000, 2_480_000, failing=0.1, losing=0.002, kills=6),
    Run("leases to the end", "dynamodb", 8, 170, 2_600_000, 2_510_000, failing=0.1, losing=0.002, kills=6),
    Run("leases for each", "sqlite", 8, 120, tokens=8 * 1000 * 110 * 100, ends="leases"),
    Run("leases for each", "dynamodb", 4, 120, tokens=4 * 1000 * 110 * 100, ends="leases"),
    Run("rate of requests", "sqlite", 32, 45, requests_per_minute=1_200, kills=8, ends="time"),
    Run("rate of tokens", "sqlite", 32, 45, tokens_per_minute=60_000, kills=8, ends="time"),
    Run("rate of requests", "dynamodb", 16, 45, requests_per_minute=600, kills=4, ends="time"),
]


if __name__ == "__main__":
    main()
