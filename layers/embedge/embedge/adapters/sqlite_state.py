"""Where does the laptop keep its state? In one SQLite file, whole after a kill at any moment.

Every call is made in the event loop itself: one row takes some 25 microseconds, a thread would take longer to
wake, and what is long is done in short pieces, letting others in between. So one connection serves, unlocked. Only
checkpoints, which wait for the disk, are made in a thread (`sqlite_checkpoints.py`).
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from embedge.adapters.sqlite_checkpoints import Checkpoints

_WAIT_FOR_OTHER_PROCESSES_S = 5.0
# With the write-ahead log, NORMAL loses nothing when a process dies; a power cut may take the last commits
# (https://www.sqlite.org/pragma.html#pragma_synchronous, read 2026-11). A vector of 1536 numbers fits a page; with
# the larger log and the memory map, 2048 of them are written and read in half the time. A writer makes a checkpoint
# itself only where those in the thread do not keep up.
_SETTINGS = (
    "page_size = 8192",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "wal_autocheckpoint = 16000",
    "mmap_size = 268435456",
)
_TABLES = (
    "TABLE IF NOT EXISTS control (pk TEXT, sk TEXT, doc TEXT NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID",
    "TABLE IF NOT EXISTS ledger (pk TEXT, sk TEXT, item TEXT NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID",
    "TABLE IF NOT EXISTS cache (k BLOB PRIMARY KEY, v BLOB NOT NULL, e INTEGER NOT NULL)",
    "INDEX IF NOT EXISTS cache_by_expiry ON cache (e)",
    "TABLE IF NOT EXISTS lease (k BLOB PRIMARY KEY, e REAL NOT NULL) WITHOUT ROWID",
)
# What entries of the cache did not have at first; a file that was made without is given them.
_LATER_COLUMNS = (
    ("g", "BLOB NOT NULL DEFAULT x''"),
    ("t", "TEXT NOT NULL DEFAULT ''"),
    ("w", "INTEGER NOT NULL DEFAULT 0"),
)


class SqliteState:
    """The open file with its tables; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where there is none."""
        # The loop may run in another thread than this one, but always in the same.
        self.connection = sqlite3.connect(
            path, timeout=_WAIT_FOR_OTHER_PROCESSES_S, isolation_level=None, check_same_thread=False
        )
        self._checkpoints = Checkpoints(path)
        for setting in _SETTINGS:
            self.connection.execute(f"PRAGMA {setting}")
        with self.transaction():
            for table in _TABLES:
                self.connection.execute(f"CREATE {table}")
            there = {row[1] for row in self.connection.execute("PRAGMA table_info(cache)")}
            for name, kind in _LATER_COLUMNS:
                if name not in there:
                    self.connection.execute(f"ALTER TABLE cache ADD COLUMN {name} {kind}")

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Make what is done inside happen wholly or not at all, alone. Never await inside."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        self._checkpoints.after(self.connection.total_changes)

    def close(self) -> None:
        """Close the file."""
        self._checkpoints.close()
        self.connection.close()
