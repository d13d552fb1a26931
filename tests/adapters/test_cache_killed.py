"""Is a cache whose writer is killed in the middle of it, again and again, ever wrong?"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import embedge
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.vector_codec import StoredVector, encode

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed")]

_DIMENSIONS = 1536
_ENTRIES = 2_000
# Writes all entries over and over, each time others together, and says so when it has begun.
_WRITER = """
import asyncio, random, sys
from pathlib import Path

sys.path[:0] = sys.argv[2:]
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.sqlite_state import SqliteState
from tests.adapters.test_cache_killed import entry

async def main():
    cache = SqliteCache(SqliteState(Path(sys.argv[1])), SystemClock(), print)
    entries = [entry(number) for number in range(2_000)]
    print("ready", flush=True)
    while True:
        await cache.put_many(dict(random.sample(entries, 100)), random.choice([1, 3600]))

asyncio.run(main())
"""


def entry(number: int) -> tuple[bytes, StoredVector]:
    key = hashlib.sha256(str(number).encode()).digest()
    vector = np.random.default_rng(number).standard_normal(_DIMENSIONS).astype(np.float32)
    return key, encode(key, vector, number + 1, estimated=False)


async def test_killed_ten_times_in_the_middle_of_writing_it_has_nothing_but_what_was_written(tmp_path: Path) -> None:
    path, expected = tmp_path / "state.db", dict(map(entry, range(_ENTRIES)))
    package = Path(embedge.__file__).parents[1]
    command = [sys.executable, "-c", _WRITER, str(path), str(package), str(Path(__file__).parents[2])]
    kept = 0
    for _ in range(10):
        _write_and_die(command)
        faults: list[str] = []
        state = SqliteState(path)
        found = await SqliteCache(state, SystemClock(), faults.append).get_many(list(expected), _DIMENSIONS)
        assert state.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        state.close()
        assert faults == []
        assert all(expected[key] == vector for key, vector in found.items())
        kept += len(found)
    assert kept > 0


def _write_and_die(command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.01, 0.2))
        writer.kill()
