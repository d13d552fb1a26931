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

    async def put(self, pk: str, sk: str, document: str) -> None:
        """Write a document, replacing what was there. Raises: ServiceUnavailable."""
        with _translated():
            self._connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?, ?)", (pk, sk, document))

    async def delete(self, pk: str, sk: str) -> None:
        """Take a document away, if there is one. Raises: ServiceUnavailable."""
        with _translated():
            self._connection.execute("DELETE FROM control WHERE pk = ? AND sk = ?", (pk, sk))


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ServiceUnavailable(
            "The configuration is out of reach. Please try again in a few seconds.",
            retry_after_s=_RETRY_AFTER_S,
        ) from error
