"""How is read what tenants have used, from SQLite?"""

import json
import sqlite3
from collections.abc import Sequence

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.usage import PARTITION, UsageRow, read_row
from embedge.errors import ServiceUnavailable


class SqliteUsageRows:
    """The UsageRows port."""

    def __init__(self, state: SqliteState) -> None:
        """Take the open file."""
        self._state = state

    async def read(self, tenant: str | None, since_day: str) -> Sequence[UsageRow]:
        """Return the rows of a tenant, or of all, from that day on. Raises: ServiceUnavailable."""
        of_whom, whose = ("pk = ?", PARTITION + tenant) if tenant is not None else ("pk GLOB ?", PARTITION + "*")
        try:
            found: list[tuple[str, str, str]] = self._state.connection.execute(
                f"SELECT pk, sk, item FROM ledger WHERE {of_whom} AND sk >= ?",  # noqa: S608 (our own words)
                (whose, since_day),
            ).fetchall()
        except sqlite3.Error as error:
            raise ServiceUnavailable(f"The usage cannot be read: {error}.") from error
        rows = (read_row(pk, sk, json.loads(item)) for pk, sk, item in found)
        return [row for row in rows if row is not None]
