"""How do Regions share a budget, if each has a ledger of its own? By limits that come to the budget, and are shifted.

The law of shifting: once a Region's ledger has the version of its limit that was said last, what may come to be billed
there is at most that limit, or what is taken already where that is more; until then nobody can tell. Only what is left
of the budget beside the sum of those may be added to a limit. So a limit is cut first, and raised elsewhere once the
ledger shows the cut; each step is decided by what stands there now, so it does not matter who began it, whether its
reply was lost, or how often it is done again.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.scale.dynamodb import Model, SimulatedDynamoDb
from benchmarks.scale.load import REQUEST_NANO_USD, TENANT
from benchmarks.scale.virtual_time import VirtualClock, VirtualLoop
from embedge.adapters.ledger_purse import PurseLedger
from embedge.core.account import budgets
from embedge.core.balance import Claim
from embedge.core.balance_forms import Period
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.errors import BudgetSpent, ServiceUnavailable

_HEARD_S = 30  # every process has heard of a new limit by then
_UPSTREAM_S = 0.3
_SMALLEST = 10 * REQUEST_NANO_USD
_LOSING = Model(lost_replies=0.002)

# What an operator counts for what a Region may still charge: the law, or less than that.
Caution: TypeAlias = Literal["the law", "only what was said", "not what is taken"]


@dataclass(frozen=True, slots=True)
class World:
    """Some Regions of a few processes, a budget, and where in the world requests come from, by the time.

    An operator looks every `pause_s` or so, and wishes to even out what is left, or anything, also limits below what is
    taken. Each of his steps fails with the chance `failing`, half of those after it was done; from `cut_off_s` on he
    does not reach the first Region.
    """

    budget_nano_usd: int
    seconds: float
    weights: Callable[[float], Sequence[float]]
    pause_s: float = 60
    failing: float = 0.0
    wishes: Literal["to even out", "anything"] = "to even out"
    caution: Caution = "the law"
    cut_off_s: float = float("inf")
    regions: int = 3
    processes: int = 4
    requests_per_s: float = 20
    model: Model = _LOSING
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """What came of it: billed in each Region, the most that was beyond the budget, and how many steps were taken."""

    billed: Sequence[int]
    most_over_budget: int
    steps: int
    refused: int


def share(world: World) -> Shared:
    """Let the world's time pass."""
    random.seed(world.seed)  # the pauses between attempts
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_Regions(world, loop).share())
    finally:
        loop.close()


class _Region:
    """A ledger, what operators said of the tenant's limit here, and processes that hear of it late."""

    def __init__(self, world: World, loop: VirtualLoop, chance: random.Random) -> None:
        self._loop = loop
        self._chance = chance
        self._table = SimulatedDynamoDb(world.model, chance, loop)
        self._clock = VirtualClock(loop)
        self._ledgers = [PurseLedger(self._table, self._clock) for _ in range(world.processes)]
        self._said = [(float("-inf"), self.limits_of(world.budget_nano_usd // world.regions, 1))]
        self._delays = [_HEARD_S * chance.random() for _ in range(world.processes)]
        self.billed = self.refused = 0

    @staticmethod
    def limits_of(month_nano_usd: int, version: int) -> Limits:
        return Limits(NO_LIMIT, NO_LIMIT, NO_LIMIT, month_nano_usd, NO_LIMIT, version)

    def limit(self) -> int:
        return self._said[-1][1].month_nano_usd

    def put(self, month_nano_usd: int) -> None:
        """Say another limit, as `tenant put` does."""
        version = self._said[-1][1].version + 1
        self._said.append((self._loop.time(), self.limits_of(month_nano_usd, version)))

    def taken(self) -> int | None:
        """Return what is taken by the ledger's own item, as `budgets` says it; None where there is none."""
        item = self._table.items.get((TENANT, "B"))
        if item is None:
            return None
        month = Period(item["mi"], item["di"])
        return next(one.taken_nano_usd for one in budgets(item, self._said[-1][1], month) if one.period == "month")

    def left(self) -> int:
        """Return what is left of the limit."""
        return self.limit() - (self.taken() or 0)

    def bound(self, caution: Caution) -> int | None:
        """Return the most that may come to be billed here, as an operator can tell; None where he cannot."""
        item, taken = self._table.items.get((TENANT, "B")), self.taken()
        if item is None or taken is None:
            return None
        if caution == "only what was said":
            return self.limit()
        if item["cv"] < self._said[-1][1].version:
            return None
        return self.limit() if caution == "not what is taken" else max(self.limit(), taken)

    async def request(self) -> None:
        """Let one of the processes serve a miss."""
        number = self._chance.randrange(len(self._ledgers))
        heard = [limits for at_s, limits in self._said if at_s <= self._loop.time() - self._delays[number]]
        principal = Principal(TENANT, frozenset(), ("*",), heard[-1])
        cost = int(2 * self._chance.random() * REQUEST_NANO_USD) + 1
        try:
            hold = await self._ledgers[number].take(principal, Claim(2 * cost, 0))
            attempt = await hold.attempt(2 * cost, 2 * cost)
        except (BudgetSpent, ServiceUnavailable):
            self.refused += 1
            return
        self.billed += cost
        await asyncio.sleep(_UPSTREAM_S)
        attempt.billed(cost)
        await hold.settle()

    def replace_a_process(self) -> None:
        """Let one die with what it holds."""
        self._ledgers[self._chance.randrange(len(self._ledgers))] = PurseLedger(self._table, self._clock)


class _Regions:
    """The Regions, those who ask, and an operator."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self._world = world
        self._loop = loop
        self._chance = chance = random.Random(world.seed)  # noqa: S311 (no secret)
        self._regions = [_Region(world, loop, chance) for _ in range(world.regions)]
        self._most_over = -world.budget_nano_usd
        self._steps = 0
        self._bounds: list[int | None] = [None] * world.regions  # as an operator saw them last
        self._under_way: set[asyncio.Task[None]] = set()

    async def share(self) -> Shared:
        operator = asyncio.create_task(self._operate())
        while self._loop.time() < self._world.seconds:
            await asyncio.sleep(self._chance.expovariate(self._world.requests_per_s))
            region = self._chance.choices(self._regions, self._world.weights(self._loop.time()))[0]
            task = asyncio.create_task(region.request())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            self._most_over = max(self._most_over, self._billed() - self._world.budget_nano_usd)
            if self._chance.random() < 0.001:
                region.replace_a_process()
        operator.cancel()
        await asyncio.wait(self._under_way)
        most_over = max(self._most_over, self._billed() - self._world.budget_nano_usd)
        refused = sum(region.refused for region in self._regions)
        return Shared([region.billed for region in self._regions], most_over, self._steps, refused)

    def _billed(self) -> int:
        return sum(region.billed for region in self._regions)

    async def _operate(self) -> None:
        while True:
            await asyncio.sleep(self._world.pause_s * 2 * self._chance.random())
            self._step()

    def _step(self) -> None:
        """Give what is nobody's to somebody; where there is none, cut a limit."""
        reached = range(1 if self._loop.time() > self._world.cut_off_s else 0, self._world.regions)
        for number in reached:
            self._bounds[number] = self._regions[number].bound(self._world.caution)
        if None in self._bounds:
            return
        free = self._world.budget_nano_usd - sum(bound or 0 for bound in self._bounds)
        giver, taker, nano_usd = self._wished(reached)
        if free > 0:
            self._put(taker, self._regions[taker].limit() + free)
        elif nano_usd > _SMALLEST:
            self._put(giver, self._regions[giver].limit() - nano_usd)

    def _wished(self, reached: Sequence[int]) -> tuple[int, int, int]:
        """Return who should give, who should have, and how much."""
        if self._world.wishes == "anything":
            giver = self._chance.choice(reached)
            return giver, self._chance.choice(reached), int(self._chance.random() * self._regions[giver].limit())
        left = [(self._regions[number].left(), number) for number in reached]
        (least, poor), (most, rich) = min(left), max(left)
        return rich, poor, (most - least) // 2

    def _put(self, number: int, nano_usd: int) -> None:
        fails = self._chance.random() < self._world.failing
        if not fails or self._chance.random() < 0.5:
            self._regions[number].put(nano_usd)
            self._steps += 1
