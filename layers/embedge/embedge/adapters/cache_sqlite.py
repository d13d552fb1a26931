"""How are vectors kept in SQLite?"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from embedge.adapters.sqlite_state import SqliteState
from embedge.core.provenance import UNKNOWN, Provenance
from embedge.core.vector_codec import StoredVector, decode
from embedge.ports import Clock

_ROWS_AT_ONCE = 32
_EXPIRED_AT_ONCE = 100
_REPLACE = "INSERT OR REPLACE INTO cache (k, v, e, g, t, w) VALUES (?, ?, ?, ?, ?, ?)"
# What has expired by the time of this write is none.
_KEEP_FIRST = """INSERT INTO cache (k, v, e, g, t, w) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (k) DO UPDATE
SET v = excluded.v, e = excluded.e, g = excluded.g, t = excluded.t, w = excluded.w WHERE cache.e <= excluded.w"""

_Row: TypeAlias = tuple[bytes, bytes, int, bytes, str, int]


class SqliteCache:
    """The Cache port: one row for each vector; each write takes some expired ones away."""

    def __init__(self, state: SqliteState, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take the open file, the time, and whom to tell of a fault, in one word."""
        self._state = state
        self._clock = clock
        self._on_fault = on_fault

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        """Return what is kept, checked, under those of the keys that are; a fault is a miss."""
        del tenant
        found: dict[bytes, StoredVector] = {}
        try:
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                for key, value, expires_s in self._rows(keys[start : start + _ROWS_AT_ONCE]):
                    vector = decode(key, value, dimensions, expires_s)
                    if vector is None:
                        self._on_fault("corrupt")
                    else:
                        found[key] = vector
        except sqlite3.Error:
            self._on_fault("read")
        return found

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        """Keep vectors for `ttl_s` seconds; a fault is nobody's error."""
        del tenant
        await self._write_all(_REPLACE, entries, ttl_s, provenance)

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        """Keep vectors, each only where none is kept yet, and return what stands then."""
        await self._write_all(_KEEP_FIRST, entries, ttl_s, provenance)
        standing = await self._standing(entries, tenant)
        # Nobody can read what else stands there, and it would be in everybody's way until it expires.
        unreadable = {key: entry for key, entry in entries.items() if key not in standing}
        if not unreadable:
            return standing
        await self._write_all(_REPLACE, unreadable, ttl_s, provenance)
        return {**standing, **await self._standing(unreadable, tenant)}

    async def _standing(self, entries: Mapping[bytes, StoredVector], tenant: str) -> dict[bytes, StoredVector]:
        standing: dict[bytes, StoredVector] = {}
        for dimensions in {entry.dimensions for entry in entries.values()}:
            standing.update(await self.get_many(list(entries), dimensions, tenant))
        return standing

    async def _write_all(
        self, statement: str, entries: Mapping[bytes, StoredVector], ttl_s: int, provenance: Provenance
    ) -> None:
        now_s = int(self._clock.now_s())
        owner, target = provenance.owner, provenance.targets
        rows = [(k, entry.kept(), now_s + ttl_s, owner, target.get(k, ""), now_s) for k, entry in entries.items()]
        try:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                self._write(statement, rows[start : start + _ROWS_AT_ONCE], now_s)
        except sqlite3.Error:
            self._on_fault("write")

    def _rows(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, int]]:
        places = ", ".join("?" * len(keys))
        return self._state.connection.execute(
            f"SELECT k, v, e FROM cache WHERE k IN ({places}) AND e > ?",  # noqa: S608 (question marks)
            (*keys, self._clock.now_s()),
        )

    def _write(self, statement: str, rows: Sequence[_Row], now_s: int) -> None:
        with self._state.transaction() as connection:
            connection.execute(
                "DELETE FROM cache WHERE k IN (SELECT k FROM cache WHERE e <= ? LIMIT ?)",
                (now_s, _EXPIRED_AT_ONCE),
            )
            connection.executemany(statement, rows)
