"""What stands in for the outside world in tests? Each class fulfils a port in memory, and passes its contract's tests.

A fake does what the real thing does, and what it can be made to do wrong is a switch that a test sets: nothing in our
own code is ever patched.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

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
from embedge.core.lease import DueLease, is_due
from embedge.core.provenance import UNKNOWN, Doomed, Provenance, Swept
from embedge.core.space_check import Verdict
from embedge.core.usage import UsageRow, read_row
from embedge.core.vector_codec import StoredVector, decode
from embedge.errors import ServiceUnavailable
from embedge.ports import NotKept

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from embedge.core.route import Route
    from embedge.ports import Clock


class FakeClock:
    """The Clock port: a time that tests set."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now = now_s

    def now_s(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


class FakeAnswers:
    """The AnswerStore port: what was `kept`, of which tenant, by its URL.

    While it is `down` nothing can be kept, and where it `hangs` nobody ever hears whether it was.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, bytes]] = {}
        self.down = False
        self.hangs = False

    async def keep(self, tenant: str, body: bytes) -> str:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.down:
            raise NotKept
        url = f"https://answers.test/{len(self.kept)}?signature=s3cr3t"
        self.kept[url] = tenant, body
        return url


class FakeControlTable:
    """The ControlTable port: `documents` by (pk, sk), partitions `queried`; while `down`, nothing can be reached."""

    def __init__(self, documents: Mapping[tuple[str, str], str] | None = None) -> None:
        self.documents = dict(documents or {})
        self.down = False
        self.calls = 0
        self.queried: list[str] = []

    async def query(self, pk: str) -> Mapping[str, str]:
        self.queried.append(pk)
        self._reach()
        return {sk: document for (partition, sk), document in self.documents.items() if partition == pk}

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        del expires_s
        self._reach()
        self.documents[pk, sk] = document

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        self._reach()
        if self.documents.get((pk, sk)) != seen:
            return False
        if document is None:
            self.documents.pop((pk, sk), None)
        else:
            self.documents[pk, sk] = document
        return True

    def _reach(self) -> None:
        self.calls += 1
        if self.down:
            raise ServiceUnavailable("The table is down.", retry_after_s=5)


class FakeCache:
    """The Cache port: `values` and the second they expire by key, `reads` that were made, `faults` as they are counted.

    It fulfils CacheEntries too: `marks` are the owner, the target and the second of writing. What it `raises` is no
    fault of a cache, but one of our own code.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.values: dict[bytes, tuple[bytes, int]] = {}
        self.marks: dict[bytes, tuple[bytes, str, int]] = {}
        self.faults: list[str] = []
        self.down = False
        self.reads = 0
        self.raises: Exception | None = None
        self._clock = clock

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        del tenant
        self.reads += 1
        if self.raises is not None:
            raise self.raises
        if self.down:
            self.faults.append("read")
            return {}
        now_s = self._clock.now_s()
        found: dict[bytes, StoredVector] = {}
        for key in dict.fromkeys(keys):
            value, expires_s = self.values.get(key, (b"", 0))
            if expires_s > now_s:
                vector = decode(key, value, dimensions, expires_s)
                if vector is None:
                    self.faults.append("corrupt")
                else:
                    found[key] = vector
        return found

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        del tenant
        if self.down:
            self.faults.append("write")
            return
        now_s = int(self._clock.now_s())
        self.values.update({key: (entry.kept(), now_s + ttl_s) for key, entry in entries.items()})
        self.marks.update({key: (provenance.owner, provenance.targets.get(key, ""), now_s) for key in entries})

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        if self.down:
            await self.put_many(entries, ttl_s, tenant, provenance=provenance)
            return {}
        now_s = self._clock.now_s()
        kept = {key: self.values[key] for key in entries if self.values.get(key, (b"", 0))[1] > now_s}
        read = {key: decode(key, kept[key][0], entries[key].dimensions, kept[key][1]) for key in kept}
        standing = {key: vector for key, vector in read.items() if vector is not None}
        self.faults += ["corrupt"] * (len(read) - len(standing))
        mine = {key: entry for key, entry in entries.items() if key not in standing}
        await self.put_many(mine, ttl_s, tenant, provenance=provenance)
        return {**standing, **{key: replace(entry, expires_s=int(now_s) + ttl_s) for key, entry in mine.items()}}

    async def count(self) -> int:
        return len(self.values)

    async def sweep(self, doomed: Doomed, after: bytes | None, limit: int) -> Swept:
        if self.down:
            raise ServiceUnavailable("The cache is down.", retry_after_s=5)
        keys = sorted(key for key in self.values if after is None or key > after)[:limit]
        gone = [key for key in keys if key in self.marks and doomed.holds(self.marks[key][0], self.marks[key][2])]
        for key in gone:
            del self.values[key], self.marks[key]
        return Swept(len(keys), len(gone), keys[-1] if len(keys) == limit else None)


class NoMemory:
    """The Memory port of a process that has no room."""

    def held(self, keys: Sequence[bytes], dimensions: int) -> Mapping[bytes, StoredVector]:
        del keys, dimensions
        return {}

    def hold(self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str) -> None:
        pass


class FakeLeases:
    """The Leases port beside a cache: the second until which each key is `taken`."""

    def __init__(self, cache: FakeCache, clock: FakeClock) -> None:
        self.taken: dict[bytes, float] = {}
        self._cache = cache
        self._clock = clock

    async def take(self, keys: Sequence[bytes], seconds: int) -> Collection[bytes]:
        now_s = self._clock.now_s()
        kept = (key for key, (_, expires_s) in self._cache.values.items() if expires_s > now_s)
        refused = {*kept, *(key for key, until_s in self.taken.items() if until_s > now_s)}
        mine = [key for key in keys if key not in refused]
        self.taken |= dict.fromkeys(mine, now_s + seconds)
        return mine


class FakeLedgerTable:
    """The LedgerTable port, and LedgerItems and UsageRows: `items` by (pk, sk), and every update that was `sent`.

    `lose_next` says how the next calls fail, one word each: with `unapplied` the request was lost, with `applied` the
    reply. Neither can tell which it was. With `nothing` a call does not fail.
    """

    def __init__(self, clock: Clock) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.sent: list[ConditionalUpdate] = []
        self.lose_next: deque[Literal["applied", "unapplied", "nothing"]] = deque()
        self.down = False
        self._clock = clock

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        self.sent.append(update)
        lost = self._lost()
        if lost == "unapplied":
            raise ServiceUnavailable("The call was lost.", retry_after_s=5)
        before = self.items.get((pk, sk))
        after = evaluate(update, before)
        if after is not None:
            self.items[pk, sk] = after
        if lost == "applied":
            raise ServiceUnavailable("The call was lost.", retry_after_s=5)
        return Refused(before, self._clock.now_s()) if after is None else Applied(after)

    async def query(self, pk: str) -> Mapping[str, Item]:
        if self.down:
            raise ServiceUnavailable("The table embedge-Ledger-1 is down.")
        return {sk: item for (partition, sk), item in self.items.items() if partition == pk}

    async def read(self, tenant: str | None, since_day: str) -> Sequence[UsageRow]:
        if self.down:
            raise ServiceUnavailable("The table embedge-Ledger-1 is down.")
        rows = (read_row(pk, sk, item) for (pk, sk), item in self.items.items() if sk >= since_day)
        return [row for row in rows if row is not None and tenant in {None, row.name.tenant}]

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        self.sent += (first.update, second.update)
        lost = self._lost()
        befores = [self.items.get((one.pk, one.sk)) for one in (first, second)]
        afters = [evaluate(one.update, before) for one, before in zip((first, second), befores, strict=True)]
        if lost != "unapplied":
            for one, after in zip((first, second), afters, strict=True):
                if after is not None and None not in afters:
                    self.items[one.pk, one.sk] = after
        if lost in {"applied", "unapplied"}:
            raise ServiceUnavailable("The call was lost.", retry_after_s=5)
        one, other = (
            Refused(before, self._clock.now_s()) if after is None else None
            for before, after in zip(befores, afters, strict=True)
        )
        return one, other

    def _lost(self) -> Literal["applied", "unapplied", "nothing"] | None:
        return "unapplied" if self.down else self.lose_next.popleft() if self.lose_next else None


class FakeLeaseItems:
    """The LeaseItems port over a fake ledger."""

    def __init__(self, table: FakeLedgerTable) -> None:
        self.table = table

    async def due(self, now_s: float) -> Sequence[DueLease]:
        leases = (DueLease(pk, sk, item) for (pk, sk), item in self.table.items.items() if pk.startswith("L#"))
        return [lease for lease in leases if is_due(lease, now_s)]


class FakeProbing:
    """The Probing port: each target is sound, but for those whose `problems` by id say otherwise: they drift."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    async def probe(self, route: Route) -> tuple[Verdict, ...]:
        return tuple(
            Verdict(target.id, route.space.dimensions, 1.0, 1.0, 1.0, problem, drifted=problem is not None)
            for target in route.targets
            for problem in [self.problems.get(target.id)]
        )
