"""What has been purged until now? What the Control table says, read again every 15 seconds."""

from collections.abc import Callable, Mapping

from embedge.adapters.kept_partition import KeptPartition, Partition
from embedge.core.generations import GENERATIONS, UNREADABLE, Generations, read_generation
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, ControlTable

_FRESH_S = 15
# As long as the routes: where Control cannot be read for a day, nothing is served any more.
_LAST_GOOD_S = 86_400


class ControlPurges:
    """The Purges port over the Control table."""

    def __init__(self, control: ControlTable, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take where operators say it, the time, and whom to tell of what cannot be read."""
        self._on_fault = on_fault
        self._kept = KeptPartition(control, Partition(GENERATIONS, self._made_of, _LAST_GOOD_S), clock, on_fault)

    async def current(self) -> Generations:
        """Return how often each part was purged; at most a day old where the table cannot be read.

        Raises: ServiceUnavailable where nothing is known: what is kept may be what somebody wanted gone.
        """
        if self._kept.is_due(_FRESH_S):
            await self._kept.read()
            if self._kept.is_too_old():
                raise ServiceUnavailable(
                    "What may be served from the cache cannot be read just now. Please try again in a few seconds.",
                    retry_after_s=5,
                )
        return self._kept.value

    async def read_again(self) -> None:
        """Read it now: this process has purged something."""
        await self._kept.read()

    def _made_of(self, documents: Mapping[str, str]) -> Generations:
        return Generations({part: self._number(document) for part, document in documents.items()})

    def _number(self, document: str) -> int:
        number = read_generation(document)
        if number is None:
            self._on_fault("generation_unreadable")
            return UNREADABLE
        return number
