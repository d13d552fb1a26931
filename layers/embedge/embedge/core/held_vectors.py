"""Which vectors does a process keep at hand? Those used last, in so many bytes, of which one tenant has at most half.

A process that was frozen wakes with what it had: whether an entry still counts is decided when it is read.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from embedge.core.vector_codec import StoredVector

# What an entry takes beside its numbers: its key, header and objects, its places in two tables; a test measures it.
OVERHEAD_BYTES = 576


# A vector, the second from which on it is held no longer, and whose it is; a class would take twice the time to fill.
_Held: TypeAlias = tuple[StoredVector, int, str]


class HeldVectors:
    """A table with a bound; `total_bytes` is what it takes now."""

    def __init__(self, most_bytes: int) -> None:
        self.total_bytes = 0
        self._most_bytes = most_bytes
        # Both from the one used longest ago to the one used last.
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._keys_of: dict[str, OrderedDict[bytes, None]] = {}
        self._bytes_of: dict[str, int] = {}

    def get_all(self, keys: Iterable[bytes], now_s: float) -> dict[bytes, StoredVector]:
        """Return what is held under these keys and has not expired."""
        held, found = self._held, dict[bytes, StoredVector]()
        if not held:
            return found
        for key in keys:
            one = held.get(key)
            if one is None:
                continue
            vector, expires_s, tenant = one
            if expires_s <= now_s:
                self._drop(key)
                continue
            held.move_to_end(key)
            self._keys_of[tenant].move_to_end(key)
            found[key] = vector
        return found

    def get(self, key: bytes, now_s: float) -> StoredVector | None:
        """Return what is held under a key and has not expired."""
        return self.get_all((key,), now_s).get(key)

    def put_all(self, vectors: Mapping[bytes, StoredVector], tenant: str) -> None:
        """Hold what was read from a store, until the store would expire it."""
        largest_bytes = self._most_bytes // 2 - OVERHEAD_BYTES
        if largest_bytes <= 0:  # where nothing is to be in memory
            return
        for key, vector in vectors.items():
            if vector.size_bytes() <= largest_bytes or key in self._held:
                self.put(key, vector, vector.expires_s, tenant)

    def put(self, key: bytes, vector: StoredVector, expires_s: int, tenant: str) -> None:
        """Hold a vector for a tenant until it expires, or others that are used later need its place."""
        if key in self._held:
            self._drop(key)
        size_bytes = _size_bytes(vector)
        if size_bytes > self._most_bytes // 2:
            return
        self._held[key] = (vector.alone(), expires_s, tenant)
        keys = self._keys_of.get(tenant)
        if keys is None:
            keys = self._keys_of[tenant] = OrderedDict()
        keys[key] = None
        self.total_bytes += size_bytes
        self._bytes_of[tenant] = self._bytes_of.get(tenant, 0) + size_bytes
        while self._bytes_of[tenant] > self._most_bytes // 2:
            self._drop(next(iter(self._keys_of[tenant])))
        while self.total_bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: bytes) -> None:
        vector, _, tenant = self._held.pop(key)
        del self._keys_of[tenant][key]
        size_bytes = _size_bytes(vector)
        self.total_bytes -= size_bytes
        self._bytes_of[tenant] -= size_bytes
        if not self._keys_of[tenant]:
            del self._keys_of[tenant], self._bytes_of[tenant]


def _size_bytes(vector: StoredVector) -> int:
    return vector.size_bytes() + OVERHEAD_BYTES
