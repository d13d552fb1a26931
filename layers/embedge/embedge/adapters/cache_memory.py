"""How are vectors found without asking anybody? In this process's memory, in front of any cache."""

from collections.abc import Mapping, Sequence

from embedge.core.held_vectors import HeldVectors
from embedge.core.provenance import UNKNOWN, Provenance
from embedge.core.vector_codec import StoredVector, is_of
from embedge.ports import Cache, Clock


class MemoryCache:
    """The Memory port, and the Cache port: what was read or written here lately is not asked of the cache behind it.

    What is purged elsewhere is asked for under another key from then on, so nothing has to be taken out of memory.
    """

    def __init__(self, behind: Cache, clock: Clock, most_bytes: int) -> None:
        """Take the cache that keeps everything, the time, and how much of it may be in memory."""
        self._behind = behind
        self._clock = clock
        self._held = HeldVectors(most_bytes)

    def held(self, keys: Sequence[bytes], dimensions: int) -> dict[bytes, StoredVector]:
        """Return what is in memory."""
        found = self._held.get_all(keys, self._clock.now_s())
        if found and {vector.dimensions for vector in found.values()} != {dimensions}:
            return {key: vector for key, vector in found.items() if vector.dimensions == dimensions}
        return found

    def hold(self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str) -> None:
        """Keep vectors here, whether they are kept behind or not."""
        expires_s = int(self._clock.now_s()) + ttl_s
        for key, vector in entries.items():
            self._hold(key, vector, expires_s, tenant)

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        """Return what is in memory; only the rest is looked up."""
        found = self.held(keys, dimensions)
        rest = [key for key in keys if key not in found] if found else keys
        if not rest:
            return found
        read = await self._behind.get_many(rest, dimensions, tenant)
        self._held.put_all(read, tenant)
        return {**found, **read} if found else read

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        """Keep vectors here at once, and behind."""
        self.hold(entries, ttl_s, tenant)
        await self._behind.put_many(entries, ttl_s, tenant, provenance=provenance)

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        """Keep vectors behind, each only where none is, and here what stands there then: all processes answer alike."""
        standing = await self._behind.keep_first(entries, ttl_s, tenant, provenance=provenance)
        for key, vector in standing.items():
            self._hold(key, vector, vector.expires_s, tenant)
        return standing

    def _hold(self, key: bytes, vector: StoredVector, expires_s: int, tenant: str) -> None:
        if is_of(key, vector):
            self._held.put(key, vector, expires_s, tenant)
