"""How many units of a rate does a process take ahead, so that not each request writes?

While it is busy, as many as it used in the last ten seconds, at most a small part of the rate, and for ten seconds at
most: what is not used by then, by the wall clock, is dropped, and a frozen process wakes without them. Pure, though it
remembers.
"""

LIFE_US = 10_000_000
# A process is busy that has so many requests in ten seconds; for others, all units are there until the last. Of a
# tenant with thousands of processes none may be, and all together write to one item; so where a minute is worth as much
# as only those need, and what a process used is no more than such a part of it, a second request is enough.
_BUSY = 16
_HARDLY_ANY = 4096
_OF_THOUSANDS = 1 << 22
# Of a minute's worth; where that is too little for even one more request, nothing is taken ahead.
_SMALL_PART = 128


class LeasedUnits:
    """What one process has taken ahead of one rate, and what it uses of it."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._left = 0
        self._taken_us = 0
        self._since_us = 0
        self._requests = self._requests_before = 0
        self._used = self._used_before = 0

    def use(self, units: int, now_us: int) -> int:
        """Take as many of the units as there are, and return how many that is."""
        if not self._taken_us <= now_us < self._taken_us + LIFE_US:
            self._left = 0
        covered = min(self._left, units)
        self._left -= covered
        self._note(units, now_us)
        return covered

    def put_back(self, units: int) -> None:
        """Put back what was taken for a request that was refused after all."""
        self._left += units

    def ahead(self, per_minute: int) -> int:
        """Return how many units are worth taking beyond those that are needed now."""
        requests, used = max(self._requests, self._requests_before), max(self._used, self._used_before)
        hardly_any = requests > 1 and per_minute >= max(_OF_THOUSANDS, used * _HARDLY_ANY)
        return min(used, per_minute // _SMALL_PART) if requests >= _BUSY or hardly_any else 0

    def took(self, units: int, now_us: int) -> None:
        """Note a write that took so many beyond what it needed."""
        if not self._left:  # else others have just taken some, and all expire with theirs
            self._taken_us = now_us
        self._left += units

    def _note(self, units: int, now_us: int) -> None:
        passed_us = now_us - self._since_us
        if not 0 <= passed_us < LIFE_US:
            lately = 0 <= passed_us < 2 * LIFE_US
            self._used_before, self._requests_before = (self._used, self._requests) if lately else (0, 0)
            self._used, self._requests, self._since_us = 0, 0, now_us
        self._used += units
        self._requests += 1
