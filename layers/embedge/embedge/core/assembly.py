"""How do calls' answers become the answer: one vector for every input, in the order of the inputs?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from embedge.core import vector_codec
from embedge.core.batching import UpstreamCall
from embedge.core.gcra import RateState, Tier
from embedge.core.metering import credible_tokens, estimated_tokens, split_by_size
from embedge.core.request import Encoding
from embedge.core.route import Storage
from embedge.core.vector_codec import FloatVectors, StoredVector
from embedge.core.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a call brought: `vectors` of shape (misses, dimensions), float32, finite, row i for miss i.

    `reported_tokens` is the provider's own total, None where it gives none; `billed_tokens` what the call is paid for.
    """

    call: UpstreamCall
    vectors: FloatVectors
    reported_tokens: int | None
    billed_tokens: int
    target: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """The answer: `vectors` in the order of the inputs, at full size, to be given in `dimensions` and `encoding`.

    `tier` is the one that the answer names, where it names one.
    """

    model: str
    encoding: Encoding
    dimensions: int
    vectors: tuple[StoredVector, ...]
    tokens: int
    hits: int
    misses: int
    targets: tuple[str, ...]
    cost_nano_usd: int
    rates: tuple[RateState, ...]
    tier: Tier | None = None


def billed_tokens(call: UpstreamCall, reported: int | None, counted: Mapping[bytes, int] | None) -> int:
    """Return what a call is billed for: what the provider reports, else what was counted, else an estimate.

    A report is believed up to what these inputs can come to at all; where this returns less, it was not.
    """
    if reported is not None:
        return _believed(call, reported)
    return sum(_tokens_of(call, None, counted)[0])


def stored_form(
    delivered: Iterable[Delivered], counted: Mapping[bytes, int] | None, storage: Storage = "f32"
) -> dict[bytes, StoredVector]:
    """Put what was delivered into its stored form, each under its key, with the tokens of its input."""
    entries: dict[bytes, StoredVector] = {}
    for part in delivered:
        tokens, estimated = _tokens_of(part.call, part.reported_tokens, counted)
        for miss, vector, count in zip(part.call.misses, part.vectors, tokens, strict=True):
            entries[miss.key] = vector_codec.encode(miss.key, vector, count, estimated=estimated, storage=storage)
    return entries


def makers(delivered: Iterable[Delivered]) -> dict[bytes, str]:
    """Return which target made the vector of each miss, by its key."""
    return {miss.key: part.target for part in delivered for miss in part.call.misses}


def miscounted_calls(delivered: Iterable[Delivered], counted: Mapping[bytes, int] | None) -> int:
    """Return how many calls the provider counted otherwise than we did.

    What it says is billed; entries keep our counts, which do not depend on what travelled together, so a hit has the
    tokens of its miss. But a difference means that the route names another tokenizer than the model's.
    """
    if counted is None:
        return 0
    reported = [part for part in delivered if part.reported_tokens is not None]
    return sum(part.reported_tokens != sum(_tokens_of(part.call, None, counted)[0]) for part in reported)


def in_order(wanted: Wanted, vectors: Mapping[bytes, StoredVector]) -> tuple[StoredVector, ...]:
    """Return one vector for each input, in order, duplicates included. Raises: KeyError where one is missing."""
    return tuple([vectors[key] for key in wanted.keys])


def _believed(call: UpstreamCall, reported: int) -> int:
    return min(reported, sum(credible_tokens(miss.size_bytes) for miss in call.misses))


def _tokens_of(call: UpstreamCall, reported: int | None, counted: Mapping[bytes, int] | None) -> tuple[list[int], bool]:
    """Return the tokens of each miss, and whether they are an estimate."""
    if counted is not None:
        return [counted[miss.key] for miss in call.misses], False
    if reported is not None:
        return split_by_size(_believed(call, reported), [miss.size_bytes for miss in call.misses]), len(call.misses) > 1
    return [estimated_tokens(miss.size_bytes, miss.token_bound) for miss in call.misses], True
