"""How does an operator go through all of the cache in SQLite?"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.provenance import Doomed, Swept
from embedge.errors import ServiceUnavailable


class SqliteCacheEntries:
    """The CacheEntries port, in the order of the keys."""

    def __init__(self, state: SqliteState) -> None:
        """Take the open file."""
        self._state = state

    async def count(self) -> int:
        """Return how many entries there are. Raises: ServiceUnavailable."""
        with _translated():
            return self._state.connection.execute("SELECT count(*) FROM cache").fetchone()[0]

    async def sweep(self, doomed: Doomed, after: bytes | None, limit: int) -> Swept:
        """Look at so many entries at most, and delete those that are doomed. Raises: ServiceUnavailable."""
        with _translated(), self._state.transaction() as connection:
            rows: list[tuple[bytes, bytes, int]] = connection.execute(
                "SELECT k, g, w FROM cache WHERE k > ? ORDER BY k LIMIT ?", (after or b"", limit)
            ).fetchall()
            gone = [(key,) for key, owner, written_s in rows if doomed.holds(owner, written_s)]
            connection.executemany("DELETE FROM cache WHERE k = ?", gone)
        return Swept(len(rows), len(gone), rows[-1][0] if len(rows) == limit else None)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ServiceUnavailable(f"The cache cannot be gone through: {error}.") from error
