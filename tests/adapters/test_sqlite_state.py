"""Is what SQLite has acknowledged kept, whatever dies, and whoever else writes?"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import embedge
from embedge.adapters import sqlite_checkpoints
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_checkpoints import Checkpoints
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import Applied, Assign, Attribute, ConditionalUpdate
from embedge.core.vector_codec import encode
from embedge.errors import ServiceUnavailable
from tests.fakes import FakeClock

# A process of its own: it opens the file, waits for a word, and takes one from the item again and again, saying so.
_TAKER = """
import asyncio, sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import Applied, Assign, Attribute, Compare, ConditionalUpdate

async def main():
    table = SqliteLedgerTable(SqliteState(Path(sys.argv[1])), SystemClock())
    take = ConditionalUpdate((Assign("a", Attribute("a"), -1),), (Compare("a", ">=", 1),))
    print("ready", flush=True)
    sys.stdin.readline()
    while isinstance(outcome := await table.apply("acme", "B", take), Applied):
        print(outcome.item["a"], flush=True)

asyncio.run(main())
"""

_INSERT, _ROW = "INSERT INTO t VALUES (?)", (bytes(3000),)


def takers(path: Path, count: int) -> list[subprocess.Popen[str]]:
    """So many of them, all with the file open, and told to begin."""
    command = [sys.executable, "-c", _TAKER, str(path), str(Path(embedge.__file__).parents[1])]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


async def opened(path: Path, amount: int) -> SqliteLedgerTable:
    table = SqliteLedgerTable(SqliteState(path), FakeClock())
    await table.apply("acme", "B", ConditionalUpdate((Assign("a", amount),), ()))
    return table


async def left(path: Path) -> int:
    table = SqliteLedgerTable(SqliteState(path), FakeClock())
    outcome = await table.apply("acme", "B", ConditionalUpdate((Assign("a", Attribute("a")),), ()))
    assert isinstance(outcome, Applied)
    return outcome.item["a"]


async def test_what_a_killed_process_had_acknowledged_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await opened(path, 10**9)
    with takers(path, 1)[0] as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(500)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    # It may have died between taking and saying so, once.
    assert await left(path) in {acknowledged[-1], acknowledged[-1] - 1}
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_processes_that_take_at_once_share_what_is_there_to_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await opened(path, 2000)
    processes = takers(path, 4)
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(int(number) for numbers in said for number in numbers) == list(range(2000))
    assert await left(path) == 0


@pytest.mark.slow
async def test_processes_may_open_a_file_that_is_not_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for process in takers(path, 6):
        process.communicate(timeout=60)
        assert process.returncode == 0


async def test_a_number_larger_than_sqlites_own_is_kept(tmp_path: Path) -> None:
    assert await left_of(tmp_path, 10**30) == 10**30


async def left_of(folder: Path, amount: int) -> int:
    path = folder / "state.db"
    await opened(path, amount)
    return await left(path)


async def test_expired_entries_are_taken_away_a_few_with_each_write(tmp_path: Path) -> None:
    clock, faults = FakeClock(), list[str]()
    state = SqliteState(tmp_path / "state.db")
    cache = SqliteCache(state, clock, faults.append)
    keys = [number.to_bytes(32, "big") for number in range(250)]
    entries = {key: encode(key, np.ones(2, np.float32), 1, estimated=False) for key in keys}

    def kept() -> int:
        return state.connection.execute("SELECT count(*) FROM cache").fetchone()[0]

    await cache.put_many(entries, 60)
    clock.pass_time(61)
    new = bytes(32)
    for expected in (151, 51, 1):
        await cache.put_many({new: encode(new, np.ones(2, np.float32), 1, estimated=False)}, 60)
        assert kept() == expected
    assert faults == []


async def test_a_file_that_fails_is_misses_for_the_cache_and_an_error_for_the_others(tmp_path: Path) -> None:
    clock, faults = FakeClock(), list[str]()
    state = SqliteState(tmp_path / "state.db")
    state.close()
    key = bytes(32)
    cache = SqliteCache(state, clock, faults.append)
    await cache.put_many({key: encode(key, np.ones(2, np.float32), 1, estimated=False)}, 60)
    assert await cache.get_many([key], 2) == {}
    assert faults == ["write", "read"]
    control = SqliteControlTable(state)
    with pytest.raises(ServiceUnavailable):
        await control.replace("ROUTES", "small", "{}", None)
    with pytest.raises(ServiceUnavailable):
        await control.query("ROUTES")
    with pytest.raises(ServiceUnavailable):
        await control.put("ROUTES", "small", "{}")
    with pytest.raises(ServiceUnavailable):
        await SqliteLedgerTable(state, clock).apply("acme", "B", ConditionalUpdate((Assign("a", 1),), ()))


def test_what_fails_half_way_leaves_nothing_behind_and_does_not_block_the_next(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db")
    write = "INSERT INTO control VALUES ('ROUTES', 'small', ?)"
    with pytest.raises(sqlite3.IntegrityError), state.transaction() as connection:
        connection.executemany(write, [("{}",), (None,)])
    with state.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM control").fetchone() == (0,)


async def test_many_lookups_let_others_in_between(tmp_path: Path) -> None:
    cache = SqliteCache(SqliteState(tmp_path / "state.db"), FakeClock(), lambda _: None)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await cache.get_many([number.to_bytes(32, "big") for number in range(2048)], 2)
    counting.cancel()
    assert turns >= 60


async def test_what_many_writes_have_logged_goes_to_its_place_without_another(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = SqliteState(path)
    before_bytes = path.stat().st_size
    keys = [number.to_bytes(32, "big") for number in range(1000)]
    entries = {key: encode(key, np.ones(2, np.float32), 1, estimated=False) for key in keys}
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM cache").fetchone() == (0,)  # the last who closes makes one, too
        await SqliteCache(state, FakeClock(), lambda _: None).put_many(entries, 60)
        state.close()
        assert path.stat().st_size > before_bytes


def logged(path: Path, rows: int) -> sqlite3.Connection:
    """Return who has written so many rows, a page each, and makes no checkpoint."""
    writer = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", "CREATE TABLE t (v)"):
        writer.execute(statement)
    writer.execute("BEGIN")
    writer.executemany(_INSERT, [_ROW] * rows)
    writer.execute("COMMIT")
    return writer


@pytest.mark.parametrize(("changes", "made"), [(999, False), (1000, True)])
def test_a_checkpoint_comes_after_a_thousand_changes(tmp_path: Path, changes: int, *, made: bool) -> None:
    path = tmp_path / "state.db"
    with closing(logged(path, 100)):
        before_bytes = path.stat().st_size
        checkpoints = Checkpoints(path)
        checkpoints.after(changes)
        checkpoints.close()
        assert (path.stat().st_size > before_bytes) == made


class _Overtaken:
    """A connection whose first checkpoint does not come to what is written meanwhile: somebody reads what was there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path)
        self._is_first = True

    def execute(self, statement: str) -> sqlite3.Cursor:
        if not self._is_first:
            return self._connection.execute(statement)
        self._is_first = False
        with closing(sqlite3.connect(self._path)) as reader, closing(sqlite3.connect(self._path)) as other:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM t").fetchone()
            other.execute(_INSERT, _ROW)
            other.commit()
            return self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()


def test_also_what_is_written_during_a_checkpoint_is_done_so_that_the_log_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = tmp_path / "state.db", tmp_path / "state.db-wal"
    monkeypatch.setattr(sqlite_checkpoints, "sqlite3", SimpleNamespace(connect=_Overtaken))
    with closing(logged(path, 2000)) as writer:
        checkpoints = Checkpoints(path)
        checkpoints.after(1000)
        checkpoints.close()
        before_bytes = log.stat().st_size
        writer.execute(_INSERT, _ROW)
        assert log.stat().st_size == before_bytes
