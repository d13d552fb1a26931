"""Who of the processes on this machine fetches a vector? A row of SQLite says so, for a moment."""

import sqlite3
from collections.abc import Callable, Collection, Sequence

from embedge.adapters.sqlite_state import SqliteState
from embedge.ports import Clock

_TAKE = "INSERT INTO lease VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET e = excluded.e WHERE e <= ?"


class SqliteLeases:
    """The Leases port."""

    def __init__(self, state: SqliteState, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take the open file, the time, and whom to tell of a fault, in one word."""
        self._state = state
        self._clock = clock
        self._on_fault = on_fault

    async def take(self, keys: Sequence[bytes], seconds: int) -> Collection[bytes]:
        """Return those of the keys that nobody holds, and for which no vector is kept; all of them on a fault."""
        now_s = self._clock.now_s()
        try:
            with self._state.transaction() as connection:
                connection.execute("DELETE FROM lease WHERE e <= ?", (now_s,))
                return [key for key in keys if _take(connection, key, now_s, seconds)]
        except sqlite3.Error:
            self._on_fault("lease")
            return keys


def _take(connection: sqlite3.Connection, key: bytes, now_s: float, seconds: int) -> bool:
    if connection.execute("SELECT 1 FROM cache WHERE k = ? AND e > ?", (key, now_s)).fetchone():
        return False
    return connection.execute(_TAKE, (key, now_s + seconds, now_s)).rowcount > 0
