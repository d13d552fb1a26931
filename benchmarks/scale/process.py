"""What does one process do for a request? It has the router's own ledger, rates, usage and polls.

Only what is around it is made up. A request is here what `embed.py` does of it: hear what has changed, be admitted, and
if it is a miss, hold money and tokens, ask, settle.
"""

import asyncio
import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.scale.dynamodb import SimulatedDynamoDb
from benchmarks.scale.load import MEAN_TOKENS, NANO_USD_PER_TOKEN, TENANT, Load, Seen
from benchmarks.scale.virtual_time import Dead, VirtualClock, VirtualLoop
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.purges_control import ControlPurges
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.routes_control import ControlRoutes
from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.core.balance import Claim
from embedge.core.conditional_update import ConditionalUpdate, ItemUpdate, Outcome, Refusals
from embedge.core.request import Observation, Principal
from embedge.core.tenant_document import EVERYBODY, partition_of
from embedge.errors import BudgetSpent, EmbedgeError, RequestRateLimited, ServiceUnavailable, TokenRateLimited

_PACE = Pace(every_s=5, longest_s=0.25)  # as on Lambda: bootstrap/state.py
_UPSTREAM_S = 0.3
_FROZEN_S = 20
_REFUSALS: Mapping[type[EmbedgeError], str] = {
    BudgetSpent: "spent",
    TokenRateLimited: "token limited",
    ServiceUnavailable: "unavailable",
}
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Around:
    """What a process finds: what it is asked, the time, the tables of its Region, who asks, and where it is counted."""

    load: Load
    loop: VirtualLoop
    table: SimulatedDynamoDb
    principal: Principal
    seen: Seen
    chance: random.Random
    numbers: np.random.Generator


class Process:
    """One instance, from its first request to its death; it does no more than answer requests."""

    def __init__(self, around: Around, starts_s: float) -> None:
        self._around = around
        self._load = load = around.load
        self._chance = random.Random(around.chance.random())  # noqa: S311 (no secret)
        self.dead, self.awake_s = False, 0.0
        clock, table = VirtualClock(around.loop), _TableOf(self, around)
        self._ledger = PurseLedger(table, clock, load.lease_terms)
        self._rates = GcraRates(table, clock)
        self._usage = LedgerUsage(table, clock, _PACE, self._fault)
        self._kept = KeptControl(table, clock, self._fault)
        self._routes = ControlRoutes(table, clock, self._fault)
        self._purges = ControlPurges(table, clock, self._fault)
        self._under_way: set[asyncio.Task[None]] = set()
        per_s = load.requests_per_s / load.instances
        self._asked = (
            self._start(self._ask_misses(starts_s, per_s * (1 - load.hit_rate))),
            self._start(self._ask_hits(starts_s, per_s * load.hit_rate)),
        )

    def kill(self) -> None:
        """Let it do nothing any more."""
        self.dead = True
        self.stop()

    def stop(self) -> None:
        """Send it no more requests."""
        for asking in self._asked:
            asking.cancel()

    async def close(self) -> None:
        """Give back what it holds."""
        await self._ledger.close()

    def _start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _ask_misses(self, starts_s: float, per_s: float) -> None:
        """Let requests come that are misses, whether or not the last one is through."""
        next_s = self._around.loop.time() + starts_s
        while True:
            next_s = await self._until(next_s + self._chance.expovariate(per_s))
            self._start(self._miss())

    async def _ask_hits(self, starts_s: float, per_s: float) -> None:
        """Let the hits of each second come at its end: most write nothing, so when they come does not matter."""
        next_s = self._around.loop.time() + starts_s
        while True:
            next_s = await self._until(next_s + 1)
            if hits := int(self._around.numbers.poisson(per_s)):
                await self._hits(hits)

    async def _until(self, next_s: float) -> float:
        """Wait for that moment, or a later one where the process is frozen then; return it."""
        if self._load.frozen and self._chance.random() < self._load.frozen:
            self.awake_s = next_s + _FROZEN_S * self._chance.random()
        next_s = max(next_s, self.awake_s)
        await asyncio.sleep(next_s - self._around.loop.time())
        return next_s

    async def _hits(self, hits: int) -> None:
        served = sum([await self._is_admitted() for _ in range(hits)])
        if served:
            await self._usage.add(Observation(tenant=TENANT, bot=self._bot(), model="m", inputs=served, hits=served))

    async def _is_admitted(self) -> bool:
        around, began_s = self._around, self._around.loop.time()
        try:
            await self._hear()
            await self._rates.admit(around.principal)
        except RequestRateLimited:
            around.seen.count("limited", began_s)
        except ServiceUnavailable:
            around.seen.count("unserved", began_s)
        else:
            around.seen.count("admitted", began_s)
            return True
        return False

    async def _hear(self) -> None:
        """Hear what has changed, as `JwtAuthenticator.confirm` does, and the routes and purges of the way."""
        await self._kept.freshen()
        for partition in (partition_of(EVERYBODY), partition_of(TENANT)):
            if self._kept.known(partition) is None:
                await self._kept.partition(partition)
        await self._routes.current()
        await self._purges.current()

    async def _miss(self) -> None:
        around, began_s = self._around, self._around.loop.time()
        if not await self._is_admitted():
            return
        tokens = 1 + int(self._chance.expovariate(1 / (MEAN_TOKENS - 1)))
        bound = int(tokens * self._load.bound)
        try:
            hold = await self._ledger.take(around.principal, Claim(bound * NANO_USD_PER_TOKEN, bound))
            attempt = await hold.attempt(bound * NANO_USD_PER_TOKEN, bound * NANO_USD_PER_TOKEN)
        except (BudgetSpent, TokenRateLimited, ServiceUnavailable) as error:
            around.seen.count(_REFUSALS[type(error)], began_s)
            return
        around.seen.delays_s.append(around.loop.time() - began_s)
        around.seen.billed += tokens * NANO_USD_PER_TOKEN
        around.seen.count("paid", began_s)
        await asyncio.sleep(_UPSTREAM_S)
        await _alive(self, around.loop)
        attempt.billed(tokens * NANO_USD_PER_TOKEN)
        await hold.settle()
        await self._usage.add(Observation(tenant=TENANT, bot=self._bot(), model="m", inputs=1, misses=1))

    def _bot(self) -> str:
        return f"bot{self._chance.randrange(self._load.rows)}"

    def _fault(self, kind: str) -> None:
        self._around.seen.count(kind, self._around.loop.time())


class _TableOf:
    """The tables as one process reaches them: what it wrote stands when it dies, and it never hears of that."""

    def __init__(self, process: Process, around: Around) -> None:
        self._process = process
        self._table = around.table
        self._loop = around.loop

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        return await self._heard(self._table.apply(pk, sk, update))

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        return await self._heard(self._table.transact(first, second))

    async def query(self, pk: str) -> Mapping[str, str]:
        return await self._heard(self._table.query(pk))

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        raise NotImplementedError  # only operators put, and none is simulated

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        raise NotImplementedError  # nor does any replace

    async def _heard(self, call: Awaitable[_Done]) -> _Done:
        if self._process.dead:
            asyncio.ensure_future(call).cancel()
            raise Dead
        try:
            return await call
        finally:
            await _alive(self._process, self._loop)


async def _alive(process: Process, loop: VirtualLoop) -> None:
    """Wait while the process is frozen. Raises: Dead."""
    if process.awake_s > loop.time():
        await asyncio.sleep(process.awake_s - loop.time())
    if process.dead:
        raise Dead
