"""How is a vector kept, so that a hit equals its miss to the last bit and base64 costs nothing to answer?

Twelve bytes of header (version, format, dimensions, tokens, the first four bytes of its own key), then float32,
little-endian. Twelve is divisible by three, so the base64 of the whole, from its 16th character on, is the base64 of
the vector: what OpenAI's API calls an embedding. A miss is answered from this form too, so both are the same bytes.
"""

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pybase64

_HEADER = struct.Struct("<BBHI4s")
_VERSION = 1
_FLOAT32 = 0
_ESTIMATED = 1 << 31
MOST_TOKENS = _ESTIMATED - 1
_BYTES_PER_NUMBER = 4

FloatVector: TypeAlias = npt.NDArray[np.float32]
FloatVectors: TypeAlias = npt.NDArray[np.float32]  # shape (inputs, dimensions)


@dataclass(frozen=True, slots=True)
class StoredVector:
    """One vector in its stored form, checked. `expires_s`: when the entry that it was read from expires, else 0."""

    value: bytes
    dimensions: int
    tokens: int
    tokens_estimated: bool
    expires_s: int = field(default=0, compare=False)

    def floats(self) -> FloatVector:
        """Return the vector, shape (dimensions,), float32; a view, not to be written to."""
        return np.frombuffer(self.value, dtype="<f4", offset=_HEADER.size)

    def base64(self) -> bytes:
        """Return the vector as OpenAI's base64: float32, little-endian."""
        return pybase64.b64encode(memoryview(self.value)[_HEADER.size :])


def encode(key: bytes, vector: FloatVector, tokens: int, *, estimated: bool) -> StoredVector:
    """Put a vector into its stored form.

    `vector` has the shape (dimensions,) and is finite; `key` is the 32 bytes that it will be kept under, and `tokens`
    is what its input counts, at most `MOST_TOKENS`, which may be an estimate.
    """
    dimensions = vector.shape[0]
    tagged = tokens | (_ESTIMATED if estimated else 0)
    header = _HEADER.pack(_VERSION, _FLOAT32, dimensions, tagged, key[:4])
    body = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return StoredVector(header + body, dimensions, tokens, estimated)


def decode(key: bytes, value: bytes, dimensions: int, expires_s: int = 0) -> StoredVector | None:
    """Take a vector out of its stored form; None where the value is not this key's, or not of this size or version."""
    if len(value) != _HEADER.size + dimensions * _BYTES_PER_NUMBER:
        return None
    version, form, stored_dimensions, tagged, tag = _HEADER.unpack_from(value)
    if (version, form, stored_dimensions, tag) != (_VERSION, _FLOAT32, dimensions, key[:4]):
        return None
    return StoredVector(value, dimensions, tagged & ~_ESTIMATED, bool(tagged & _ESTIMATED), expires_s)


def is_of(key: bytes, vector: StoredVector) -> bool:
    """Tell whether a vector was encoded for this key."""
    return _HEADER.unpack_from(vector.value)[-1] == key[:4]


def cut(vector: FloatVector, dimensions: int) -> FloatVector:
    """Return the first `dimensions` numbers, scaled to length one, the same on every processor.

    The squares of float32 are exact in float64 and are added one after the other (`cumsum` has a fixed order, which
    `sum` has not), so that no instruction set gives another last bit.
    """
    head = vector[:dimensions].astype(np.float64)
    norm = np.sqrt(np.cumsum(head * head)[-1])
    return (head / norm).astype(np.float32) if norm > 0 else vector[:dimensions]
