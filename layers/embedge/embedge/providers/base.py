"""What does the router ask of a wire format, and what do wire formats share?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import orjson

from embedge.core.late import np
from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.core.vector_codec import MOST_TOKENS, FloatVector, FloatVectors
from embedge.errors import EmbedgeError, InvalidValue, UpstreamInvalidResponse
from embedge.ports import WireRequest, WireResponse

_UNIT_TOLERANCE = 1e-3


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


def headers_for(target: Target, secret: str | None) -> tuple[tuple[str, str], ...]:
    """Return the headers of a JSON call, the key in the one that the target reads it from."""
    plain = (("content-type", "application/json"), ("accept", "application/json"))
    if not secret:
        return plain
    key = ("api-key", secret) if target.key_header == "api-key" else ("authorization", f"Bearer {secret}")
    return (*plain, key)


def texts_of(inputs: Sequence[Input]) -> list[str]:
    """Return the inputs of a wire format that has text only. Raises: InvalidValue for token ids."""
    texts = [item for item in inputs if isinstance(item, str)]
    if len(texts) < len(inputs):
        raise InvalidValue("This model takes text, not token ids. Send strings instead.", param="input")
    return texts


def checked(rows: Sequence[FloatVector], inputs: int, space: Space) -> FloatVectors:
    """Hold vectors to their space: as many, as long, finite, and of length one where the space says so.

    Raises: UpstreamInvalidResponse.
    """
    if len(rows) != inputs:
        raise nonsense(f"one vector for each of {inputs} inputs was due, and did not come")
    if any(row.shape != (space.dimensions,) for row in rows):
        raise nonsense(f"vectors of {space.dimensions} numbers were due, and did not come")
    return sound(np.stack(rows), space)


def sound(vectors: FloatVectors, space: Space) -> FloatVectors:
    """Hold vectors of their space's size to it: finite, and of length one where the space says so.

    Raises: UpstreamInvalidResponse.
    """
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


def tokens_in(value: object) -> int | None:
    """Return a count of tokens; None where it is not one that can be kept."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    return None


def nonsense(what: str) -> UpstreamInvalidResponse:
    """Say that an answer cannot be used."""
    return UpstreamInvalidResponse(f"The model's provider gave an unusable answer: {what}. Please try again.")


def json_of(body: bytes) -> object:
    """Read JSON. Raises: UpstreamInvalidResponse."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise nonsense("it is not JSON") from error


def fields_of(value: object) -> Mapping[str, object]:
    """Return a JSON object's fields. Raises: UpstreamInvalidResponse for anything else."""
    if not isinstance(value, dict):
        raise nonsense("it is not of the form that was asked for")
    return cast("Mapping[str, object]", value)


def items_of(value: object) -> Sequence[object]:
    """Return a JSON array's items. Raises: UpstreamInvalidResponse for anything else."""
    if not isinstance(value, list):
        raise nonsense("it is not of the form that was asked for")
    return cast("Sequence[object]", value)
