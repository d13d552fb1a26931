"""How is one step of the ledger carried out in SQLite? Read, decide and write in one transaction."""

import json
import sqlite3

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import Applied, ConditionalUpdate, Item, Outcome, Refused, evaluate
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock

_RETRY_AFTER_S = 5.0


class SqliteLedgerTable:
    """The LedgerTable port: an item is one row of JSON, whose integers may be as large as DynamoDB's."""

    def __init__(self, state: SqliteState, clock: Clock) -> None:
        """Take the open file, and the time that a refusal reports."""
        self._state = state
        self._clock = clock

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        """Carry out an update. Raises: ServiceUnavailable where nobody knows whether it was."""
        try:
            return self._applied(pk, sk, update)
        except sqlite3.Error as error:
            raise ServiceUnavailable(
                "The ledger is out of reach. Please try again in a few seconds.", retry_after_s=_RETRY_AFTER_S
            ) from error

    def _applied(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        with self._state.transaction() as connection:
            found = connection.execute("SELECT item FROM ledger WHERE pk = ? AND sk = ?", (pk, sk)).fetchone()
            before: Item | None = json.loads(found[0]) if found else None
            after = evaluate(update, before)
            if after is None:
                return Refused(before, self._clock.now_s())
            connection.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (pk, sk, json.dumps(after)))
        return Applied(after)
