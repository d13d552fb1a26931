"""What did the misses of a request come to, and what does that say of the request?"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from embedge.core.admission import Wanted
from embedge.core.assembly import saved_nano_usd
from embedge.core.request import Observation
from embedge.core.vector_codec import StoredVector
from embedge.errors import EmbedgeError


@dataclass(frozen=True, slots=True)
class Obtained:
    """What the misses came to: `vectors`, of which those that are not `own` were fetched and paid for by others."""

    vectors: Mapping[bytes, StoredVector]
    own: Collection[bytes] = ()
    targets: tuple[str, ...] = ()
    error: EmbedgeError | None = None


NOTHING = Obtained({})


def observe(seen: Observation, wanted: Wanted, vectors: Mapping[bytes, StoredVector], obtained: Obtained) -> None:
    """Note of a request what was there, what was fetched, and what that saved; `vectors` has every input's."""
    seen.hits = sum(item.key not in obtained.vectors for item in wanted.inputs)
    seen.misses = len(obtained.vectors)
    seen.joined = seen.misses - len(obtained.own)
    seen.duplicates = len(wanted.inputs) - seen.hits - seen.misses
    seen.tokens_served = sum(vectors[item.key].tokens for item in wanted.inputs)
    seen.saved_nano_usd = saved_nano_usd(wanted, vectors, obtained.own)
