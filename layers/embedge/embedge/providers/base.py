"""What does the router ask of a wire format?"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.core.vector_codec import FloatVector, FloatVectors
from embedge.errors import (
    CallTooLarge,
    EmbeddingsNotAvailable,
    EmbedgeError,
    RefusedByProvider,
    UpstreamCold,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamUnavailable,
)
from embedge.ports import WireRequest, WireResponse

_UNIT_TOLERANCE = 1e-3
_LONGEST_MESSAGE = 300
_LONGEST_WAIT_S = 60.0
_LOOKS_LIKE_A_KEY = re.compile(r"\S*(?:sk-|hf_|Bearer |AKIA|eyJ)\S*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """One vector for each input sent: shape (inputs, dimensions), float32, finite, row i for input i.

    `tokens` is the provider's own count for the call, None where it gives none.
    """

    vectors: FloatVectors
    tokens: int | None


class Provider(Protocol):
    """A wire format. `bills_undelivered`: whether a call without an answer may still have cost money."""

    bills_undelivered: bool

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Return what to send for these inputs, all of one kind, to be embedded in this space."""
        ...

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Read a 2xx. Raises: UpstreamInvalidResponse where it is not one good vector for each input."""
        ...

    def usage(self, response: WireResponse) -> int | None:
        """Return what a 2xx says it is billed for, in tokens, also where it is otherwise nonsense; None: nothing."""
        ...

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Say what any other status means; none of them is billed. `retry_after_s` is set where trying again helps."""
        ...


def refusal_by_status(response: WireResponse, message: str | None) -> EmbedgeError:
    """Translate a status as most servers mean it; `message` is the server's own, about the caller's input."""
    match response.status:
        case 413:
            return CallTooLarge(f"The model's provider finds this input too large: {_said(message)}", param="input")
        case 400 | 422:
            return RefusedByProvider(f"The model's provider refused this input: {_said(message)}", param="input")
        case 501:
            return EmbeddingsNotAvailable("This model's server has no embeddings endpoint. Tell its operators.")
        case 503:
            return UpstreamCold(
                "The model's provider is starting, or has no room for this call. Please try again shortly.",
                retry_after_s=_retry_after_s(response.headers),
            )
        case 408 | 409 | 425 | 429 | 500 | 502 | 504 | 529:
            return UpstreamUnavailable(
                "The model's provider is busy or down. Please try again shortly.",
                retry_after_s=_retry_after_s(response.headers),
            )
        case _:
            return UpstreamRejected(
                f"The model's provider refused our call (status {response.status}). "
                "This is the deployment's fault, not yours: tell its operators."
            )


def _said(message: str | None) -> str:
    """Return what may be passed on of a provider's message: a few words, and nothing that looks like a key."""
    # Cut first: the pattern takes time by the square of the length.
    return _LOOKS_LIKE_A_KEY.sub("…", (message or "no reason was given")[:_LONGEST_MESSAGE])


def checked(vectors: FloatVectors, inputs: int, space: Space) -> FloatVectors:
    """Hold vectors to their space: as many, as long, finite, and of length one where the space says so.

    Raises: UpstreamInvalidResponse.
    """
    if vectors.shape != (inputs, space.dimensions):
        raise nonsense(f"{inputs} vectors of {space.dimensions} numbers were due, and did not come")
    with np.errstate(invalid="ignore"):  # a signalling NaN: refused below like any other
        # In float64, whose squares of float32 neither overflow nor vanish.
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    if not np.isfinite(lengths).all():
        raise nonsense("a vector has numbers that are not finite")
    other = np.abs(lengths - 1) > _UNIT_TOLERANCE
    if space.normalised and other.any():
        if not lengths.all():
            raise nonsense("a vector has no length")
        return (vectors / np.where(other, lengths, 1.0)[:, None]).astype(np.float32)
    return vectors


def floats(numbers: object) -> FloatVector:
    """Read a JSON array of numbers, shape (numbers,), float32. Raises: UpstreamInvalidResponse."""
    if not isinstance(numbers, list):
        raise nonsense("a vector is not an array")
    # numpy would take strings, booleans and null for numbers, and nested arrays for a matrix.
    if not set(map(type, cast("list[object]", numbers))) <= {int, float}:
        raise nonsense("a vector is not made of numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused for that
        return np.array(numbers, dtype=np.float32)


def nonsense(what: str) -> UpstreamInvalidResponse:
    """Say that an answer cannot be used."""
    return UpstreamInvalidResponse(f"The model's provider gave an unusable answer: {what}. Please try again.")


def json_of(body: bytes) -> object:
    """Read JSON. Raises: UpstreamInvalidResponse."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise nonsense("it is not JSON") from error


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the server asks us to wait, in seconds; 0 where it does not say."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(_LONGEST_WAIT_S, max(0.0, float(headers[name]) * unit_s))
        except (KeyError, ValueError):
            continue
    return 0.0
