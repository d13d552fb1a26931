"""What does Control say now? Each process keeps what it needs of it, and hears within 15 seconds of what changes.

One document names the last changes (`core.changes`). It is read when 15 seconds have passed by the wall clock, so a
process that was frozen for hours reads it before it believes anything; then only what has changed is read anew, and
only when it is needed. Where it cannot be read, what was known stands for five minutes, and then nothing does.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from embedge.core.changes import CHANGES, LAST, read_changes
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, ControlTable

_FRESH_S = 15
_LAST_KNOWN_S = 300
# While it cannot be read, it is tried no more often than this.
_PAUSE_S = 5
# What was written, and by some mishap never announced, is found after this time.
_OLDEST_S = 600
_MOST_KEPT = 20_000
_MOST_READS = 3
_Documents = Mapping[str, str]


@dataclass(slots=True)
class _Kept:
    """A partition: when it was asked for, until when it may stand, and since when it may have been another.

    Where it could not be read anew, it is not tried again before `again_s`.
    """

    documents: _Documents
    asked_s: float
    good_until_s: float
    changed_since_s: float | None = None
    again_s: float = 0


class KeptControl:
    """Partitions of Control, kept until they change."""

    def __init__(self, control: ControlTable, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take where they are, the time, and whom to tell, in one word, of what cannot be read."""
        self._control = control
        self._clock = clock
        self._on_fault = on_fault
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._reading: dict[str, asyncio.Task[_Documents]] = {}
        self._looking = asyncio.Lock()
        self._looked_s = self._tried_s = float("-inf")
        self._count: int | None = None
        self._times_changed = 0
        self.times_read = 0  # of anything here: as long as it stays, so does all that is known

    def is_fresh(self) -> bool:
        """Tell whether all that had changed until 15 seconds ago is known."""
        return self._clock.now_s() - self._looked_s <= _FRESH_S

    async def freshen(self) -> None:
        """Hear of what has changed. Raises: ServiceUnavailable where that could not be done for five minutes."""
        if not self.is_fresh() and self._clock.now_s() - self._tried_s > _PAUSE_S:
            seen = self._tried_s
            async with self._looking:
                if self._tried_s == seen:  # else somebody has looked meanwhile
                    await self._look()
        if self._clock.now_s() - self._looked_s > _LAST_KNOWN_S:
            raise _out_of_reach()

    def known(self, partition: str) -> _Documents | None:
        """Return what is known of a partition without reading anything, None where it has changed or is not known."""
        kept = self._kept.get(partition)
        if kept is None or kept.changed_since_s is not None or self._clock.now_s() > kept.good_until_s:
            return None
        self._kept.move_to_end(partition)
        return kept.documents

    def all_known(self, partitions: Sequence[str]) -> tuple[_Documents, ...] | None:
        """Return what is known of each of several, None where anything of one has to be read."""
        now_s, found = self._clock.now_s(), list[_Documents]()
        for name in partitions:
            kept = self._kept.get(name)
            if kept is None or kept.changed_since_s is not None or now_s > kept.good_until_s:
                return None
            found.append(kept.documents)
            self._kept.move_to_end(name)
        return tuple(found)

    async def partition(self, partition: str, newer_than_s: float = float("-inf")) -> _Documents:
        """Return what a partition holds, read now where it is not known, or only from before that second.

        Who comes while it is read waits for that. Raises: ServiceUnavailable where it cannot be read, and was not
        known during the last five minutes.
        """
        known = self.known(partition)
        if known is not None and self._kept[partition].asked_s >= newer_than_s:
            return known
        if (kept := self._kept.get(partition)) and self._clock.now_s() < kept.again_s:
            return self._last_known(kept)
        reading = self._reading.get(partition)
        if reading is None:
            reading = self._reading[partition] = asyncio.create_task(self._read(partition))
            reading.add_done_callback(lambda done: self._done(partition, done))
        return await asyncio.shield(reading)

    def _done(self, partition: str, reading: asyncio.Task[_Documents]) -> None:
        del self._reading[partition]
        if not reading.cancelled():
            reading.exception()  # nobody may have waited for it to the end

    async def _look(self) -> None:
        asked_s = self._clock.now_s()
        try:
            document = (await self._control.query(CHANGES)).get(LAST)
        except ServiceUnavailable:
            self._on_fault("changes_stale")
        else:
            self._hear(document)
            self._looked_s = asked_s
            self.times_read += 1
        self._tried_s = asked_s

    def _hear(self, document: str | None) -> None:
        changes = read_changes(document)
        if changes is None:
            self._on_fault("changes_unreadable")
        if self._looked_s == float("-inf"):  # what was read before the first look may have changed since
            for kept in self._kept.values():
                kept.good_until_s = min(kept.good_until_s, kept.asked_s + _FRESH_S)
            missed: Collection[str] | None = ()
        else:
            missed = None if changes is None or self._count is None else changes.since(self._count)
        for name in list(self._kept) if missed is None else missed:
            if (kept := self._kept.get(name)) and kept.changed_since_s is None:
                kept.changed_since_s = self._looked_s
        self._times_changed += missed is None or bool(missed)
        self._count = None if changes is None else changes.count

    async def _read(self, partition: str) -> _Documents:
        for _ in range(_MOST_READS):
            heard, asked_s = self._times_changed, self._clock.now_s()
            try:
                documents = await self._control.query(partition)
            except ServiceUnavailable:
                self._on_fault("control_stale")
                if (kept := self._kept.get(partition)) is None:
                    raise
                kept.again_s = self._clock.now_s() + _PAUSE_S
                return self._last_known(kept)
            # What was on its way while changes were heard of, or while the process was frozen, may be from before.
            if heard == self._times_changed and self._clock.now_s() - asked_s <= _FRESH_S:
                self.times_read += 1
                self._kept[partition] = _Kept(documents, asked_s, asked_s + _OLDEST_S)
                self._kept.move_to_end(partition)
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
                return documents
        raise _out_of_reach()

    def _last_known(self, kept: _Kept) -> _Documents:
        until_s = self._looked_s if kept.changed_since_s is None else kept.changed_since_s
        if self._clock.now_s() - until_s > _LAST_KNOWN_S:
            raise _out_of_reach()
        return kept.documents


def _out_of_reach() -> ServiceUnavailable:
    return ServiceUnavailable(
        "Who may use this deployment cannot be read just now. Please try again in a few seconds.", retry_after_s=5
    )
