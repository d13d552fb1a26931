"""What did the misses of a request come to, and what does that say of the request?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from embedge.core.metering import cost_nano_usd
from embedge.core.request import Observation
from embedge.core.vector_codec import StoredVector
from embedge.core.wanted import Wanted
from embedge.errors import EmbedgeError


@dataclass(frozen=True, slots=True)
class Obtained:
    """What the misses came to: `vectors`, of which those that are not `own` were fetched and paid for by others."""

    vectors: Mapping[bytes, StoredVector]
    own: Collection[bytes] = ()
    targets: tuple[str, ...] = ()
    error: EmbedgeError | None = None


NOTHING = Obtained({})


def observe(seen: Observation, wanted: Wanted, vectors: Sequence[StoredVector], obtained: Obtained) -> None:
    """Note of a request what was there, what was fetched, and what that saved at the route's first target.

    `vectors` are those of the inputs, in order.
    """
    seen.misses = len(obtained.vectors)
    seen.hits = len(wanted.keys) - (seen.misses and sum([key in obtained.vectors for key in wanted.keys]))
    seen.joined = seen.misses - len(obtained.own)
    seen.duplicates = len(wanted.keys) - seen.hits - seen.misses
    seen.tokens_served = sum([vector.tokens for vector in vectors])
    fetched = sum([obtained.vectors[key].tokens for key in obtained.own])
    price = wanted.route.targets[0].price_nano_usd_per_million_tokens
    seen.saved_nano_usd = cost_nano_usd(seen.tokens_served - fetched, price)
