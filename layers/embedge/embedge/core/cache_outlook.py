"""Is it worth looking for inputs of one size in the cache, or keeping them? By what a route says, and what was seen."""

from dataclasses import dataclass, field

from embedge.core import admission_economics as economics
from embedge.core.admission_economics import Prospects, Stakes, StorePrices
from embedge.core.cache_fuse import CacheFuse
from embedge.core.metering import BYTES_PER_TOKEN_ESTIMATE, cost_nano_usd
from embedge.core.repetition import Repetition
from embedge.core.route import Admit, Route, Storage
from embedge.core.vector_codec import stored_bytes

_MANY_BYTES = 1 << 20
_LEARNED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """What a route says to the cache: what to keep, what a hit is worth, and for how long which form is kept."""

    admit: Admit
    value_nano_usd_per_million_tokens: int
    dimensions: int
    storage: Storage
    ttl_s: int

    @classmethod
    def of(cls, route: Route) -> "Terms":
        """Read a route."""
        return cls(route.admit, route.hit_value(), route.space.dimensions, route.space.storage, route.ttl_s)

    def worth_nano_usd(self, tokens: int) -> int:
        """Return what a hit of so many tokens saves, before what it costs."""
        return cost_nano_usd(tokens, self.value_nano_usd_per_million_tokens)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is worth doing with inputs of one size."""

    stakes: Stakes
    writing_after: tuple[bool, ...]
    looking: bool

    @classmethod
    def of(cls, stakes: Stakes, expected: Prospects) -> "Outlook":
        """Weigh what is at stake against what is expected."""
        return cls(
            stakes=stakes,
            writing_after=economics.worth_writing_after(stakes, expected),
            looking=economics.worth_looking(stakes, expected),
        )


@dataclass(slots=True)
class Scope:
    """What is known of one tenant's inputs on one route."""

    repetition: Repetition = field(default_factory=Repetition)
    fuse: CacheFuse = field(default_factory=CacheFuse)
    tokens: float = 1.0
    bytes: float = float(BYTES_PER_TOKEN_ESTIMATE)
    terms: Terms | None = None
    outlooks: dict[int, Outlook] = field(default_factory=dict[int, Outlook])
    learned: int = 0

    def expected_tokens(self, size_bytes: int) -> int:
        """Return about how many tokens a text has, to three bits: those of one size are decided on together."""
        tokens = max(1, round(size_bytes * self.tokens / self.bytes))
        rest = max(0, tokens.bit_length() - 3)
        return tokens >> rest << rest

    def outlook(self, tokens: int, terms: Terms, prices: StorePrices) -> Outlook:
        """Return what is worth doing with inputs of this size, as it was learned a few sightings ago at most."""
        if self.learned >= _LEARNED_AT_ONCE or self.terms != terms:
            self.outlooks, self.terms, self.learned = {}, terms, 0
        if tokens not in self.outlooks:
            size_bytes = economics.item_bytes(stored_bytes(terms.dimensions, terms.storage))
            at_stake = economics.stakes(terms.worth_nano_usd(tokens), size_bytes, terms.ttl_s, prices)
            self.outlooks[tokens] = Outlook.of(at_stake, self.repetition.prospects(tokens))
        return self.outlooks[tokens]

    def saw(self, tokens: int, before: int) -> None:
        """Learn of an input that it came, and how often it had before."""
        self.learned += 1
        self.repetition.saw(tokens, before)

    def counted(self, tokens: int, size_bytes: int) -> None:
        """Learn how many tokens a text of this size had."""
        self.tokens, self.bytes = self.tokens + tokens, self.bytes + size_bytes
        if self.bytes > _MANY_BYTES:
            self.tokens, self.bytes = self.tokens / 2, self.bytes / 2
