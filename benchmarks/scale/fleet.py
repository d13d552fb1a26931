"""What does a fleet of processes do to the ledger of its Region, and that to them?"""

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.scale.dynamodb import Heat, SimulatedDynamoDb
from benchmarks.scale.load import TENANT, Load, Result, Seen
from benchmarks.scale.process import Around, Process
from benchmarks.scale.virtual_time import VirtualClock, VirtualLoop
from embedge.adapters.routes_control import ROUTES
from embedge.core.request import Principal
from embedge.lease_closing import close_dead_leases

_ROUTE = Path(__file__).parents[2] / "infra" / "routes" / "text-embedding-3-small.json"


def carry_out(load: Load) -> Result:
    """Let the time of a load pass."""
    random.seed(load.seed)  # the pauses between attempts
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_Region(load, loop).carry_out())
    finally:
        loop.close()


class _Region:
    """The fleet, the table, and what is seen of both."""

    def __init__(self, load: Load, loop: VirtualLoop) -> None:
        self._load = load
        self._loop = loop
        self._seen = Seen()
        self._chance = chance = random.Random(load.seed)  # noqa: S311 (no secret)
        self._table = SimulatedDynamoDb(load.model, chance, loop)
        principal = Principal(TENANT, frozenset(), ("*",), load.limits)
        self._around = Around(load, loop, self._table, principal, self._seen, chance, np.random.default_rng(load.seed))
        self._fleet: list[Process] = []

    async def carry_out(self) -> Result:
        table = self._table
        route = _ROUTE.read_text()
        table.documents[ROUTES] = {str(n): route.replace("3-small", f"3-small-{n}") for n in range(self._load.routes)}
        self._fleet = [self._born() for _ in range(self._load.instances)]
        watching = [asyncio.create_task(self._watch()), asyncio.create_task(self._reconcile())]
        await asyncio.sleep(self._load.seconds)
        for process in self._fleet:
            process.stop()
        for task in watching:
            task.cancel()
        await asyncio.sleep(5)
        for process in self._fleet:
            await process.close()
        while (await close_dead_leases(table, table, float("inf"))).unknown:
            pass
        return Result(self._load, self._seen, _by_kind(table.write_heat), table.read_heat, table.items[TENANT, "B"])

    async def _watch(self) -> None:
        """Look at the balance each second, and let processes die."""
        replaced, admitted, excess = False, 0, 0.0
        per_minute = self._load.limits.requests_per_minute
        while True:
            await asyncio.sleep(1)
            if not replaced and self._loop.time() >= self._load.replaced_s:
                self._replace(lambda _: True)
                replaced = True
            self._replace(lambda _: self._chance.random() < 1 / self._load.life_s)
            if balance := self._table.items.get((TENANT, "B")):
                self._seen.stranded.append(balance["dl"] - balance["da"] - self._seen.billed)
                self._seen.leased.append(balance["x"])
                self._seen.lost_to_leases.append(balance["lo"])
            more, admitted = self._seen.counts["admitted"] - admitted, self._seen.counts["admitted"]
            excess = max(0.0, excess - per_minute / 60) + more
            self._seen.most_over_admitted = max(self._seen.most_over_admitted, excess - per_minute)

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(self._load.reconcile_s)
            await close_dead_leases(self._table, self._table, VirtualClock(self._loop).now_s())

    def _replace(self, dies: Callable[["Process"], bool]) -> None:
        for number, process in enumerate(self._fleet):
            if dies(process):
                process.kill()
                self._fleet[number] = self._born()

    def _born(self) -> Process:
        return Process(self._around, self._chance.random() * self._load.starting_s)


def _by_kind(heat: Mapping[str, Heat]) -> Mapping[str, Heat]:
    """Return the heat of the partitions, of all sixteen of a tenant's leases together and of the hottest of them."""
    shards = {pk: one for pk, one in heat.items() if pk.startswith("L#")}
    together = Heat()
    for one in shards.values():
        together = together.plus(one)
    hottest = max(shards.values(), key=lambda one: one.units, default=Heat())
    rest = {pk: one for pk, one in heat.items() if pk not in shards}
    return {**rest, "leases, all 16": together, "leases, hottest": hottest}
