"""What would a policy have cost? Requests replayed through the very code that decides, against a store that counts.

The store is perfect, the process never ends, and there is one of it: what several do not know of each other is not in
the figures. Each request has one input.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from embedge.core import admission_economics as economics
from embedge.core.admission_economics import StorePrices, StoreUse
from embedge.core.cache_outlook import Terms
from embedge.core.cache_policy import CachePolicy
from embedge.core.vector_codec import StoredVector, encode

_ALIAS = "replayed"


@dataclass(frozen=True, slots=True)
class Asked:
    """One input that was asked for: when, by whom, and what, by the 32 bytes of its key."""

    at_s: float
    tenant: str
    key: bytes
    tokens: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy came to. `fuses` is how often the cache was seen to cost more than it saves."""

    inputs: int
    lookups: int
    hits: int
    writes: int
    model_nano_usd: int
    cache_nano_usd: int
    fuses: int

    def net_nano_usd(self) -> int:
        """Return what model and cache cost together."""
        return self.model_nano_usd + self.cache_nano_usd


def replay(asked: Iterable[Asked], terms: Terms, prices: StorePrices) -> Outcome:
    """Replay requests in the order of their times, the first with nothing known and nothing kept."""
    store, now_s, fuses = _Store(terms), [0.0], list[str]()
    policy = CachePolicy(prices, lambda: now_s[0], fuses.append)
    inputs, model_nano_usd = 0, 0
    for one in asked:
        inputs, now_s[0] = inputs + 1, one.at_s
        weighing = policy.weigh_inputs({one.key: one.size_bytes}, terms, (one.tenant, _ALIAS))
        cached = store.look_up(weighing.keys, one)
        weighing.found(cached)
        if not cached:
            model_nano_usd += terms.worth_nano_usd(one.tokens)
            store.keep(weighing.worth_keeping({one.key: store.vector(one)}), one)
    return Outcome(
        inputs=inputs,
        lookups=store.lookups,
        hits=store.hits,
        writes=store.writes,
        model_nano_usd=model_nano_usd,
        cache_nano_usd=prices.cost_nano_usd(StoreUse(store.write_units, store.half_read_units, store.byte_s)),
        fuses=len(fuses),
    )


class _Store:
    """What is kept until when, and what was asked of the store for that."""

    def __init__(self, terms: Terms) -> None:
        self._ttl_s = terms.ttl_s
        # Of length one and of no direction, as vectors of models are: so it packs as theirs do.
        drawn = np.random.default_rng(1).standard_normal(terms.dimensions)
        vector = (drawn / np.linalg.norm(drawn)).astype(np.float32)
        self._any = encode(bytes(32), vector, 1, estimated=False, storage=terms.storage)
        self._kept: dict[tuple[str, bytes], tuple[float, int]] = {}
        self.lookups = self.hits = self.writes = 0
        self.write_units = self.half_read_units = self.byte_s = 0

    def vector(self, asked: Asked) -> StoredVector:
        """Return what the model answers, but for its numbers."""
        return replace(self._any, tokens=asked.tokens)

    def look_up(self, keys: Iterable[bytes], asked: Asked) -> dict[bytes, StoredVector]:
        """Return what is kept under the keys."""
        found: dict[bytes, StoredVector] = {}
        for key in keys:
            expires_s, size_bytes = self._kept.get((asked.tenant, key), (0.0, 0))
            hit = expires_s > asked.at_s
            self.lookups += 1
            self.half_read_units += economics.half_read_units(size_bytes if hit else 0)
            if hit:
                self.hits += 1
                found[key] = self.vector(asked)
        return found

    def keep(self, entries: Mapping[bytes, StoredVector], asked: Asked) -> None:
        """Keep what is to be kept."""
        for key, entry in entries.items():
            size_bytes = economics.item_bytes(len(entry.kept()))
            use = economics.writing(size_bytes, self._ttl_s)
            self.writes += 1
            self.write_units += use.write_units
            self.byte_s += use.byte_s
            self._kept[asked.tenant, key] = asked.at_s + self._ttl_s, size_bytes
