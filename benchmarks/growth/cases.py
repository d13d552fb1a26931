"""What does one size take? Each is measured by a process of its own.

`python -m benchmarks.growth.cases KIND SIZE PORT FOLDER` prints `{"cold_ms": …, "warm_ms": …, "memory_mb": …}`: its
processor time the first time and thereafter, and how much its largest size (VmHWM) has grown meanwhile. What that
means is the kind's: see the functions below.
"""

import asyncio
import json
import sys
from pathlib import Path
from time import process_time

from benchmarks.in_process import router
from benchmarks.stub_upstream import route
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.routes_control import ROUTES, ControlRoutes
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.request import NO_LIMIT, Limits, Principal
from tests.fakes import FakeClock, FakeControlTable

_AGAIN = 5
_INPUTS = 100
_DIMENSIONS = 1536
_ASKED_AGAIN = 1000
_LIMITS = Limits(6_000, 10_000_000, NO_LIMIT, NO_LIMIT, NO_LIMIT)


async def inputs(size: int, port: int, folder: Path) -> dict[str, float]:
    """One request of so many inputs, of 1536 dimensions, in base64: misses first, then hits."""
    return await _requests(size, _DIMENSIONS, port, folder)


async def dimensions(size: int, port: int, folder: Path) -> dict[str, float]:
    """One request of 100 inputs, of so many dimensions."""
    return await _requests(_INPUTS, size, port, folder)


async def routes(size: int, port: int, folder: Path) -> dict[str, float]:
    """So many routes: read for the first time, and read again when one of them has changed."""
    del folder
    documents = {(ROUTES, f"route-{number}"): _named(number, port) for number in range(size)}
    control, clock = FakeControlTable(documents), FakeClock()
    before_mb = peak_mb()
    reading = ControlRoutes(control, clock, lambda _: None)
    cold_s = -process_time()
    assert len({route.alias for route in (await reading.current()).values()}) == size
    cold_s += process_time()
    await control.put(ROUTES, "route-0", _named(0, port + 1))
    clock.pass_time(16)
    warm_s = -process_time()
    await reading.current()
    return _measured(cold_s, warm_s + process_time(), before_mb)


async def tenants(size: int, port: int, folder: Path) -> dict[str, float]:
    """A request of each of so many tenants is admitted; then one more of each of the last thousand. Per request."""
    del port
    database = SqliteState(folder / "rates.db")
    rates = GcraRates(SqliteLedgerTable(database, SystemClock()), SystemClock())
    principals = [Principal(f"tenant-{number}", frozenset({"embeddings"}), ("*",), _LIMITS) for number in range(size)]
    before_mb = peak_mb()
    cold_s = -process_time()
    for principal in principals:
        await rates.admit(principal)
    cold_s += process_time()
    last = principals[-_ASKED_AGAIN:]
    warm_s = -process_time()
    for principal in last:
        await rates.admit(principal)
    warm_s += process_time()
    found = _measured(cold_s / size, warm_s / len(last), before_mb)
    database.close()
    return found


async def _requests(count: int, size: int, port: int, folder: Path) -> dict[str, float]:
    texts = [f"a passage of some length, the one with the number {number}" for number in range(count)]
    body = json.dumps({"model": "bench", "input": texts, "encoding_format": "base64"}).encode()
    document = json.dumps({**json.loads(route(port, size)), "admit": "always"}).encode()
    async with router(folder, document) as asked:
        await asked.ask(json.dumps({"model": "bench", "input": "the first", "encoding_format": "base64"}).encode())
        before_mb = peak_mb()
        missed = await asked.ask(body)
        hits = [await asked.ask(body) for _ in range(_AGAIN)]
        assert {missed.status, *(one.status for one in hits)} <= {200, 303}, missed
        return _measured(missed.processor_s, sorted(one.processor_s for one in hits)[_AGAIN // 2], before_mb)


def _named(number: int, port: int) -> str:
    return json.dumps({**json.loads(route(port, _DIMENSIONS)), "alias": f"route-{number}"})


def _measured(cold_s: float, warm_s: float, before_mb: float) -> dict[str, float]:
    return {"cold_ms": 1000 * cold_s, "warm_ms": 1000 * warm_s, "memory_mb": peak_mb() - before_mb}


def peak_mb() -> float:
    """Return this process's peak so far, as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


KINDS = {"inputs": inputs, "dimensions": dimensions, "routes": routes, "tenants": tenants}

if __name__ == "__main__":
    kind, text, upstream, state = sys.argv[1:]
    print(json.dumps(asyncio.run(KINDS[kind](int(text), int(upstream), Path(state)))))
