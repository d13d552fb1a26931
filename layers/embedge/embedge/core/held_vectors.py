"""Which vectors does a process keep at hand? Those used last, in so many bytes, of which one tenant has at most half.

A process that was frozen wakes with what it had: whether an entry still counts is decided when it is read.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from embedge.core.vector_codec import StoredVector

# What an entry takes beside its value: its key, its objects and its places in two tables; a test measures it.
OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Held:
    vector: StoredVector
    expires_s: int
    tenant: str


class HeldVectors:
    """A table with a bound; `total_bytes` is what it takes now."""

    def __init__(self, most_bytes: int) -> None:
        self.total_bytes = 0
        self._most_bytes = most_bytes
        # Both from the one used longest ago to the one used last.
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._keys_of: dict[str, OrderedDict[bytes, None]] = {}
        self._bytes_of: dict[str, int] = {}

    def get(self, key: bytes, now_s: float) -> StoredVector | None:
        """Return what is held under a key and has not expired."""
        held = self._held.get(key)
        if held is None:
            return None
        if held.expires_s <= now_s:
            self._drop(key)
            return None
        self._held.move_to_end(key)
        self._keys_of[held.tenant].move_to_end(key)
        return held.vector

    def put(self, key: bytes, vector: StoredVector, expires_s: int, tenant: str) -> None:
        """Hold a vector for a tenant until it expires, or others that are used later need its place."""
        if key in self._held:
            self._drop(key)
        if _size_bytes(vector) > self._most_bytes // 2:
            return
        if vector.packed is not None:
            vector = replace(vector, packed=None)  # for stores: here it would only take room
        self._held[key] = _Held(vector, expires_s, tenant)
        self._keys_of.setdefault(tenant, OrderedDict())[key] = None
        self._count(tenant, _size_bytes(vector))
        while self._bytes_of[tenant] > self._most_bytes // 2:
            self._drop(next(iter(self._keys_of[tenant])))
        while self.total_bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: bytes) -> None:
        held = self._held.pop(key)
        del self._keys_of[held.tenant][key]
        self._count(held.tenant, -_size_bytes(held.vector))
        if not self._keys_of[held.tenant]:
            del self._keys_of[held.tenant], self._bytes_of[held.tenant]

    def _count(self, tenant: str, more_bytes: int) -> None:
        self.total_bytes += more_bytes
        self._bytes_of[tenant] = self._bytes_of.get(tenant, 0) + more_bytes


def _size_bytes(vector: StoredVector) -> int:
    return len(vector.value) + OVERHEAD_BYTES
