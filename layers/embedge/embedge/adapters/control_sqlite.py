"""How are routes and keys read from the Control table in SQLite?"""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from embedge.adapters.sqlite_state import SqliteState
from embedge.errors import ServiceUnavailable

_RETRY_AFTER_S = 5.0


class SqliteControlTable:
    """The ControlTable port: one row for each document."""

    def __init__(self, state: SqliteState) -> None:
        """Take the open file."""
        self._connection = state.connection

    async def query(self, pk: str) -> Mapping[str, str]:
        """Return every document of a partition by its sort key. Raises: ServiceUnavailable."""
        with _translated():
            return dict(self._connection.execute("SELECT sk, doc FROM control WHERE pk = ?", (pk,)).fetchall())

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        """Write a document, replacing what was there. Raises: ServiceUnavailable."""
        del expires_s  # a laptop's file may keep it
        with _translated():
            self._connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?, ?)", (pk, sk, document))

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        """Write a document, or take it away, if what is there is what was seen. Raises: ServiceUnavailable."""
        with _translated():
            return self._replaced((pk, sk), seen, document)

    def _replaced(self, key: tuple[str, str], seen: str | None, document: str | None) -> bool:
        execute, where = self._connection.execute, "WHERE pk = ? AND sk = ?"
        if seen is None and document is None:
            return execute(f"SELECT 1 FROM control {where}", key).fetchone() is None  # noqa: S608 (our own words)
        if seen is None:
            return execute("INSERT OR IGNORE INTO control VALUES (?, ?, ?)", (*key, document)).rowcount == 1
        if document is None:
            return execute(f"DELETE FROM control {where} AND doc = ?", (*key, seen)).rowcount == 1  # noqa: S608
        written = execute(f"UPDATE control SET doc = ? {where} AND doc = ?", (document, *key, seen))  # noqa: S608
        return written.rowcount == 1


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ServiceUnavailable(
            "The configuration is out of reach. Please try again in a few seconds.",
            retry_after_s=_RETRY_AFTER_S,
        ) from error
