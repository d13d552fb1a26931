"""How does a process keep up with a partition of Control? It reads it now and then, and keeps the last good one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, ControlTable

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Partition(Generic[_Read]):
    """What is read, what it is made into, and for how many seconds the last good read may stand."""

    pk: str
    made_of: Callable[[Mapping[str, str]], _Read]
    oldest_s: float


class KeptPartition(Generic[_Read]):
    """One partition, as it was last read."""

    def __init__(
        self, control: ControlTable, partition: Partition[_Read], clock: Clock, on_fault: Callable[[str], None]
    ) -> None:
        """Take where it is, the time, and whom to tell, in one word, that it could not be read."""
        self._control = control
        self._partition = partition
        self._clock = clock
        self._on_fault = on_fault
        self._read_s = float("-inf")
        self._tried_s = float("-inf")
        self._reading = asyncio.Lock()
        self.value = partition.made_of({})

    def is_due(self, fresh_s: float) -> bool:
        """Tell whether it is to be read: nobody has tried to for so many seconds, or what was read is too old."""
        now_s = self._clock.now_s()
        return now_s - self._tried_s > fresh_s or now_s - self._read_s > self._partition.oldest_s

    def is_too_old(self) -> bool:
        """Tell whether the last good read may stand no longer, or there was none."""
        return self._clock.now_s() - self._read_s > self._partition.oldest_s

    async def read(self) -> None:
        """Read it, or wait for who is doing so; a failure is everybody's who waited, and changes nothing."""
        seen = self._tried_s
        async with self._reading:
            if self._tried_s != seen:
                return
            asked_s = self._clock.now_s()
            try:
                documents = await self._control.query(self._partition.pk)
            except ServiceUnavailable:
                self._on_fault(f"{self._partition.pk.lower()}_stale")
            else:
                self.value = self._partition.made_of(documents)
                self._read_s = asked_s
            self._tried_s = asked_s
