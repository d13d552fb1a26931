"""Has this process seen a key before, and has it written an entry for it? A table of a fixed size that forgets.

A key has one place in it, and the last one there stands: so nothing is searched, and nothing has to be tidied.
"""

from array import array
from dataclasses import dataclass

MOST_COUNTED = 15
_PLACES = 1 << 17  # of 8 bytes: 1 MiB
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a key: how often it came (`MOST_COUNTED` or more), and whether there should be an entry."""

    count: int
    written: bool


_SEEN = tuple(Seen(flags >> 1, written=bool(flags & 1)) for flags in range(2 * MOST_COUNTED + 2))


class Sightings:
    """The table.

    A place holds 32 bits of its key, the minute when it is forgotten (27), how often it came (4), and whether there
    should be an entry (1).
    """

    def __init__(self, places: int = _PLACES) -> None:
        """Make it empty, with a power of two of places."""
        self._places = array("Q", bytes(8 * places))
        self._mask = places - 1

    def of(self, key: bytes, now_s: float) -> Seen:
        """Return what is remembered of a key."""
        held = self._places[int.from_bytes(key[4:8], "little") & self._mask]
        if held >> 32 != int.from_bytes(key[8:12], "little") or (held >> 5 & 0x7FFFFFF) * _MINUTE_S <= now_s:
            return _SEEN[0]
        return _SEEN[held & 31]

    def note(self, key: bytes, seen: Seen, expires_s: float) -> None:
        """Remember a key that was seen, until then."""
        until = (int(expires_s) // _MINUTE_S) & 0x7FFFFFF
        held = int.from_bytes(key[8:12], "little") << 32 | until << 5 | seen.count << 1 | seen.written
        self._places[int.from_bytes(key[4:8], "little") & self._mask] = held
