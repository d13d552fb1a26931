"""Which loads are simulated? One tenant at 100,000 requests a second, a third of them in each of three Regions."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.scale.dynamodb import Model
from benchmarks.scale.load import MEAN_TOKENS, REQUEST_NANO_USD, Load
from benchmarks.scale.regions import World
from embedge.core.request import NO_LIMIT, Limits

REGIONS = 3
INSTANCES, REQUESTS_PER_S = 10_000, 100_000
_PER_REGION = INSTANCES // REGIONS
_SIMULATED = 60
_FEW = 20
_REQUESTS_A_MINUTE = REQUESTS_PER_S * 60 // REGIONS


def limits(budget_requests: float, rate: float = 0.0) -> Limits:
    """Return a Region's limits: what so many requests of each instance cost, and `rate` times what comes (0: none)."""
    per_minute = int(rate * _REQUESTS_A_MINUTE) or NO_LIMIT
    day = int(budget_requests * _PER_REGION * REQUEST_NANO_USD)
    return Limits(per_minute, per_minute * MEAN_TOKENS if rate else NO_LIMIT, day, NO_LIMIT, NO_LIMIT)


AMPLE = limits(100_000)
_REGION = Load("", AMPLE, _PER_REGION, REQUESTS_PER_S / REGIONS, seconds=60, starting_s=30)
WHOLE = [replace(_REGION, title=f"Region {number + 1}", seed=number) for number in range(REGIONS)]

_LOADS = [
    replace(_REGION, title="all start within 30 s"),
    replace(_REGION, title="all start at once", starting_s=0),
    replace(_REGION, title="half are misses", hit_rate=0.5),
    replace(_REGION, title="1 % are misses", hit_rate=0.99),
    replace(_REGION, title="rates are twice what comes", limits=limits(100_000, rate=2)),
    replace(_REGION, title="rates are a quarter of it", limits=limits(100_000, rate=0.25), seconds=120),
    replace(_REGION, title="four bots", rows=4),
    replace(_REGION, title="held is thrice the bill", bound=3),
    replace(_REGION, title="replaced, least budget", seconds=120, replaced_s=50, limits=limits(41_000)),
    replace(_REGION, title="replaced, twice that", seconds=120, replaced_s=50, limits=limits(82_000)),
]
# Fewer are simulated of what takes hours, and of a budget that is to be spent in a minute.
_LONG = replace(_REGION, title="each lives half an hour", seconds=2.5 * 3_600, life_s=1_800, limits=limits(82_000))
_QUARTERLY = replace(_LONG, title="and reconcile each 15 min", reconcile_s=900)
_SPENT = replace(
    _REGION,
    title="to the last of a budget",
    limits=limits(20),
    life_s=120,
    frozen=0.01,
    model=Model(lost_replies=0.002),
)
SMALL = [
    *(load.shrunk(_SIMULATED) for load in _LOADS),
    _LONG.shrunk(_FEW),
    _QUARTERLY.shrunk(_FEW),
    _SPENT.shrunk(_SIMULATED),
]
BUDGETS = {
    requests: replace(_REGION, title=f"{requests:,} requests each", limits=limits(requests)).shrunk(_SIMULATED)
    for requests in (1_000, 5_000, 10_000, 20_000, 41_000, 82_000, 164_000)
}
SIZES = {
    instances: replace(
        _REGION,
        title=f"{instances:,} instances",
        instances=instances,
        requests_per_s=instances * 10,
        limits=replace(AMPLE, day_nano_usd=100_000 * instances * REQUEST_NANO_USD),
    ).shrunk(_SIMULATED)
    for instances in (100, 333, 1_000, 3_333, 10_000)
}
QUICK = [
    replace(_REGION, seconds=12, starting_s=3).shrunk(20),
    replace(_SPENT, limits=limits(2), seconds=12, starting_s=1).shrunk(20),
]


def _moving(now_s: float) -> Sequence[float]:
    """Return from where requests come: mostly from the second Region, later from the third."""
    return (0.1, 0.7, 0.2) if now_s < 300 else (0.1, 0.1, 0.8)


_BUDGET = 9_000 * REQUEST_NANO_USD
WORLDS = {
    "thirds, and nothing is shifted": World(_BUDGET, 600, _moving, pause_s=10_000),
    "shifted every minute or so": World(_BUDGET, 600, _moving),
    "the same, a third of all steps fail": World(_BUDGET, 600, _moving, failing=0.33),
    "one Region is cut off from 200 s on": World(_BUDGET, 600, _moving, cut_off_s=200),
    "anything is cut and raised, every 8 s": World(
        3_000 * REQUEST_NANO_USD, 480, _moving, pause_s=8, failing=0.33, wishes="anything"
    ),
}
QUICK_WORLDS = {
    "anything is cut and raised": World(300 * REQUEST_NANO_USD, 50, _moving, pause_s=4, failing=0.33, wishes="anything")
}
