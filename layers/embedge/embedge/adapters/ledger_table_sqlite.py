"""How is a step of the ledger carried out in SQLite? Read, decide and write in one transaction."""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.conditional_update import (
    Applied,
    ConditionalUpdate,
    Item,
    ItemUpdate,
    Outcome,
    Refusals,
    Refused,
    evaluate,
)
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
        with self._reached() as connection:
            outcome = self._tried(connection, ItemUpdate(pk, sk, update))
            if isinstance(outcome, Applied):
                _write(connection, pk, sk, outcome.item)
        return outcome

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        """Carry out both updates or neither. Raises: ServiceUnavailable where nobody knows whether they were."""
        with self._reached() as connection:
            one, other = self._tried(connection, first), self._tried(connection, second)
            if isinstance(one, Applied) and isinstance(other, Applied):
                _write(connection, first.pk, first.sk, one.item)
                _write(connection, second.pk, second.sk, other.item)
        return one if isinstance(one, Refused) else None, other if isinstance(other, Refused) else None

    @contextmanager
    def _reached(self) -> Generator[sqlite3.Connection]:
        try:
            with self._state.transaction() as connection:
                yield connection
        except sqlite3.Error as error:
            raise ServiceUnavailable(
                "The ledger is out of reach. Please try again in a few seconds.", retry_after_s=_RETRY_AFTER_S
            ) from error

    def _tried(self, connection: sqlite3.Connection, item: ItemUpdate) -> Outcome:
        """Return what would come of an update; nothing is written."""
        found = connection.execute("SELECT item FROM ledger WHERE pk = ? AND sk = ?", (item.pk, item.sk)).fetchone()
        before: Item | None = json.loads(found[0]) if found else None
        after = evaluate(item.update, before)
        return Refused(before, self._clock.now_s()) if after is None else Applied(after)


def _write(connection: sqlite3.Connection, pk: str, sk: str, item: Item) -> None:
    connection.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (pk, sk, json.dumps(item)))
