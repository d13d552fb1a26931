"""How is a partition of the ledger read from SQLite?"""

import json
import sqlite3
from collections.abc import Mapping

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import Item
from embedge.errors import ServiceUnavailable


class SqliteLedgerItems:
    """The LedgerItems port."""

    def __init__(self, state: SqliteState) -> None:
        """Take the open file."""
        self._state = state

    async def query(self, pk: str) -> Mapping[str, Item]:
        """Return the numbers of every item of a partition by its sort key. Raises: ServiceUnavailable."""
        try:
            found: list[tuple[str, str]] = self._state.connection.execute(
                "SELECT sk, item FROM ledger WHERE pk = ?", (pk,)
            ).fetchall()
        except sqlite3.Error as error:
            raise ServiceUnavailable(f"The ledger cannot be read: {error}.") from error
        return {sk: json.loads(item) for sk, item in found}
