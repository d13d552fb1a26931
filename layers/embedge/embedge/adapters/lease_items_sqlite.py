"""Which leases of the ledger should be closed by now, in SQLite?"""

import json
import sqlite3
from collections.abc import Sequence

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.lease import PREFIX, DueLease, is_due
from embedge.errors import ServiceUnavailable


class SqliteLeaseItems:
    """The LeaseItems port."""

    def __init__(self, state: SqliteState) -> None:
        """Take the open file."""
        self._state = state

    async def due(self, now_s: float) -> Sequence[DueLease]:
        """Return the open leases whose time is over. Raises: ServiceUnavailable."""
        try:
            found: list[tuple[str, str, str]] = self._state.connection.execute(
                "SELECT pk, sk, item FROM ledger WHERE pk GLOB ?", (PREFIX + "*",)
            ).fetchall()
        except sqlite3.Error as error:
            raise ServiceUnavailable(f"The leases cannot be read: {error}.") from error
        leases = (DueLease(pk, sk, json.loads(item)) for pk, sk, item in found)
        return [lease for lease in leases if is_due(lease, now_s)]
