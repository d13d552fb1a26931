"""Which inputs is the cache asked for, and which answers does it keep? What a route's `admit` means.

`always` and `second_sight` ask for every input; the former keeps every answer, the latter what was asked for before.
`economic` does either where that is expected to pay (`admission_economics.py`), and learns from what it sees. No answer
ever depends on it. All is kept per process, and nothing of it is lost that matters when a process ends.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from embedge.core import admission_economics as economics
from embedge.core.admission_economics import NO_CHARGE, StorePrices, StoreUse
from embedge.core.cache_outlook import Outlook, Scope, Terms
from embedge.core.metering import costs_nano_usd
from embedge.core.sightings import MOST_COUNTED, Seen, Sightings
from embedge.core.vector_codec import StoredVector, packed, stored_bytes
from embedge.core.wanted import Wanted

if TYPE_CHECKING:
    from embedge.core.route import Admit

_MOST_SCOPES = 1024

# The size of each input in bytes, by its key.
Sizes: TypeAlias = Callable[[], Mapping[bytes, int]]


class CachePolicy:
    """What this process has seen, and what follows for the next request."""

    def __init__(self, prices: StorePrices, now_s: Callable[[], float], on_fault: Callable[[str], None]) -> None:
        """Take what the store asks, the wall clock, and whom to tell that the cache costs more than it saves."""
        self.prices = prices
        self.now_s = now_s
        self.on_fault = on_fault
        self.sightings = Sightings()
        self._scopes: OrderedDict[tuple[str | None, str], Scope] = OrderedDict()

    def weigh(self, wanted: Wanted, tenant: str, held: Collection[bytes] = ()) -> "Weighing":
        """Begin a request. What is `held` in memory needs no store, and says nothing of what one would save."""
        route, keys = wanted.route, wanted.distinct_keys
        if held:
            keys = [key for key in keys if key not in held]
        return self.weigh_keys(keys, wanted.sizes, Terms.of(route), (None if route.shared else tenant, route.alias))

    def weigh_inputs(self, sizes_bytes: Mapping[bytes, int], terms: Terms, scope: tuple[str | None, str]) -> "Weighing":
        """Begin a request, given the size of each input by its key."""
        return self.weigh_keys(tuple(sizes_bytes), lambda: sizes_bytes, terms, scope)

    def weigh_keys(
        self, keys: Sequence[bytes], sizes: Sizes, terms: Terms, scope: tuple[str | None, str]
    ) -> "Weighing":
        """Begin a request, given each key once, and where the size of each input in bytes is to be had."""
        known = self._scopes.get(scope)
        if known is None:
            known = self._scopes[scope] = Scope()
        self._scopes.move_to_end(scope)
        if len(self._scopes) > _MOST_SCOPES:
            self._scopes.popitem(last=False)
        return Weighing(self, known, terms, keys, sizes)


class Weighing:
    """One request: first `keys`, then `found`, then, where there were misses, `worth_keeping`."""

    def __init__(self, policy: CachePolicy, scope: Scope, terms: Terms, keys: Sequence[bytes], sizes: Sizes) -> None:
        """Decide which of these keys are looked up; `sizes` are asked for only where something is learned of them."""
        self._policy = policy
        self._scope = scope
        self._terms = terms
        self._now_s = policy.now_s()
        self._asked = len(keys)
        self._sizes = sizes
        # Where keeping costs nothing there is nothing to weigh.
        self._admit: Admit = "always" if terms.admit == "economic" and policy.prices == NO_CHARGE else terms.admit
        self._learns = self._admit in ("economic", "second_sight")
        learned_of = keys if self._learns else ()
        sizes_bytes: Mapping[bytes, int] = sizes() if self._learns else {}
        self._tokens = {key: scope.expected_tokens(sizes_bytes[key]) for key in learned_of}
        self._seen = {key: policy.sightings.of(key, self._now_s) for key in learned_of}
        self._item_bytes = economics.item_bytes(stored_bytes(terms.dimensions, terms.storage))
        self._writes = StoreUse()
        self._half_reads = 0
        self._saved_nano_usd = 0
        self.keys = self._looked_up(keys)

    def found(self, cached: Mapping[bytes, StoredVector]) -> None:
        """Learn what the lookup has brought."""
        hits = [hit.tokens for key in self.keys if (hit := cached.get(key)) is not None]
        of_hit, of_miss = economics.half_read_units(self._item_bytes), economics.half_read_units(0)
        self._half_reads = of_hit * len(hits) + of_miss * (len(self.keys) - len(hits))
        self._saved_nano_usd = costs_nano_usd(hits, self._terms.value_nano_usd_per_million_tokens)
        if self._learns:
            self._learn(cached)
        if len(cached) == self._asked:
            self._close(billed_nano_usd=0)

    def worth_keeping(self, fresh: Mapping[bytes, StoredVector]) -> Mapping[bytes, StoredVector]:
        """Return what is to be kept of what was fetched, in the form that it is to be kept in."""
        kept = {key: self._in_form(fresh[key]) for key in self._admitted(fresh)}
        uses = [
            economics.writing(economics.item_bytes(len(entry.kept())), self._terms.ttl_s) for entry in kept.values()
        ]
        self._writes = StoreUse(sum(use.write_units for use in uses), 0, sum(use.byte_s for use in uses))
        sizes_bytes = self._sizes()
        for key, entry in fresh.items():
            self._note(key, written=key in kept)
            self._scope.counted(entry.tokens, sizes_bytes[key])
        tokens = [entry.tokens for entry in fresh.values()]
        self._close(costs_nano_usd(tokens, self._terms.value_nano_usd_per_million_tokens))
        return kept

    def spent_nano_usd(self) -> int:
        """Return what the store asks for this request's lookups and writes."""
        use = StoreUse(self._writes.write_units, self._half_reads, self._writes.byte_s)
        return self._policy.prices.cost_nano_usd(use)

    def _looked_up(self, keys: Iterable[bytes]) -> tuple[bytes, ...]:
        match self._admit:
            case "never":
                return ()
            case "always" | "second_sight":
                return tuple(keys)
            case "economic":
                return tuple([key for key in keys if self._pays_to_look(key)])

    def _pays_to_look(self, key: bytes) -> bool:
        if self._seen[key].written or economics.is_probed(key):
            return True
        outlook = self._outlook(key)
        return outlook.looking or economics.is_explored(key, outlook.stakes)

    def _learn(self, cached: Mapping[bytes, StoredVector]) -> None:
        """Learn of each key that was looked up whether it was there."""
        for key in self.keys:
            hit = key in cached
            if not self._seen[key].written:
                explored = economics.is_explored(key, self._outlook(key).stakes)
                self._scope.repetition.looked(found=hit, explored=explored)
            if hit:
                self._note(key, written=True)

    def _admitted(self, keys: Iterable[bytes]) -> Collection[bytes]:
        admit, blown = self._admit, self._scope.fuse.is_blown()
        if admit == "always":
            return set(keys)
        if admit == "second_sight":
            return {key for key in keys if self._seen[key].count and not blown}
        return {key for key in keys if admit == "economic" and self._pays(key, blown=blown)}

    def _pays(self, key: bytes, *, blown: bool) -> bool:
        outlook = self._outlook(key)
        worth = outlook.writing_after[min(self._seen[key].count, MOST_COUNTED - 1)]
        return (worth and not blown) or economics.is_explored(key, outlook.stakes)

    def _outlook(self, key: bytes) -> Outlook:
        return self._scope.outlook(self._tokens[key], self._terms, self._policy.prices)

    def _in_form(self, entry: StoredVector) -> StoredVector:
        if self._terms.storage == "f32":
            return entry
        smaller = packed(entry)
        plain, less = (economics.write_units(economics.item_bytes(len(e.kept()))) for e in (entry, smaller))
        return smaller if less < plain else entry

    def _note(self, key: bytes, *, written: bool) -> None:
        if not self._learns:
            return
        seen = self._seen[key]
        self._scope.saw(self._tokens[key], seen.count)
        count = min(MOST_COUNTED, seen.count + 1)
        self._policy.sightings.note(key, Seen(count, written=written), self._now_s + self._terms.ttl_s)

    def _close(self, billed_nano_usd: int) -> None:
        """Add the request to the fuse's balance."""
        if self._scope.fuse.add(self.spent_nano_usd(), self._saved_nano_usd, billed_nano_usd, self._now_s):
            self._policy.on_fault("cache_fuse_blown")
