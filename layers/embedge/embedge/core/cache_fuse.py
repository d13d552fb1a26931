"""Does the cache cost more than it saves? A balance of about a day; while it is too bad, little more is written."""

import math
from dataclasses import dataclass

_DAY_S = 86_400
# What may be spent ahead of what it saves: entries are paid for when written, and save later.
_SHARE_OF_BILLED = 0.25
_AHEAD_NANO_USD = 20_000_000


@dataclass(slots=True)
class CacheFuse:
    """What the cache cost, what hits saved, what the model cost; of a day ago, a third still counts."""

    _spent_nano_usd: float = 0.0
    _saved_nano_usd: float = 0.0
    _billed_nano_usd: float = 0.0
    _at_s: float = 0.0
    _blown: bool = False

    def add(self, spent_nano_usd: int, saved_nano_usd: int, billed_nano_usd: int, now_s: float) -> bool:
        """Add what a request came to; tell whether that blew the fuse."""
        kept = math.exp(min(0.0, self._at_s - now_s) / _DAY_S)
        self._at_s = now_s
        self._spent_nano_usd = self._spent_nano_usd * kept + spent_nano_usd
        self._saved_nano_usd = self._saved_nano_usd * kept + saved_nano_usd
        self._billed_nano_usd = self._billed_nano_usd * kept + billed_nano_usd
        lost = self._spent_nano_usd - self._saved_nano_usd
        most = _AHEAD_NANO_USD + _SHARE_OF_BILLED * self._billed_nano_usd
        was_blown, self._blown = self._blown, lost > (most / 2 if self._blown else most)
        return self._blown and not was_blown

    def is_blown(self) -> bool:
        """Tell whether more was lost than may be. It mends at half of that."""
        return self._blown
