"""When does what SQLite has logged go to its place in the file? In a thread, beside the requests that wrote it.

A checkpoint waits for the disk, for tens of milliseconds. PASSIVE, and in a connection of its own, it keeps nobody
waiting who reads or writes (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint, read 2026-12). Only a write that
finds nothing left to do begins the log anew, so what is written meanwhile is done as well, until nothing is.
"""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

_CHANGES_BETWEEN = 1000
# Where writes never pause, the next checkpoint goes on.
_MOST_PASSES = 20


class Checkpoints:
    """Those of one open file, one at a time."""

    def __init__(self, path: Path) -> None:
        """Take where the file is."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._running: Future[None] | None = None
        self._changes = 0

    def after(self, changes: int) -> None:
        """Begin one if it is time, after so many changes of rows since the file was opened."""
        if changes - self._changes >= _CHANGES_BETWEEN and (self._running is None or self._running.done()):
            self._changes = changes
            self._running = self._thread.submit(self._run)

    def close(self) -> None:
        """Wait for the one that runs."""
        self._thread.shutdown()

    def _run(self) -> None:
        """Go through the log; if that fails, the next one does it, or the writer that finds the log too long."""
        with closing(sqlite3.connect(self._path)) as connection:
            done = None
            for _ in range(_MOST_PASSES):
                before, done = done, connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if done == before:
                    return
