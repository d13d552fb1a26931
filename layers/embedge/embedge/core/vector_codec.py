"""How is a vector kept, so that a hit equals its miss to the last bit and base64 costs nothing to answer?

Twelve bytes of header (version, form, dimensions, tokens, a checksum of its key and of all that follows), then the
numbers, little-endian: float32, or float16 where the space says so. Twelve is divisible by three, so the base64 of the
whole, from its 16th character on, is the base64 of the vector: what OpenAI's API calls an embedding. A miss is answered
from this form too, so both are the same bytes. A store may hold it packed (`vector_packing.py`).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import pybase64

from embedge.core.checksum import crc32
from embedge.core.late import np
from embedge.core.route import Storage
from embedge.core.vector_packing import pack, unpack

_HEADER = struct.Struct("<BBHII")
_KIND = struct.Struct("<BBH")  # of a header: version, form, dimensions
_COUNTED = struct.Struct("<4xII")  # of a header: tokens, checksum
_TEXT_AT = _HEADER.size // 3 * 4  # where in its base64 a value's numbers begin
_SUMMED_BYTES = 8  # of the header: all but the checksum
_VERSION = 2
_VERSION_UNSUMMED = 1  # its last four bytes are the first of its key, and all it has is float32
_HALF = 1
_PACKED = 2  # only in stores: never in the form that answers are made from
_FORMS = 4
_ESTIMATED = 1 << 31
MOST_TOKENS = _ESTIMATED - 1
_LARGEST_HALF = 65_504

FloatVector: TypeAlias = "np.typing.NDArray[np.float32]"
FloatVectors: TypeAlias = "np.typing.NDArray[np.float32]"  # shape (inputs, dimensions)


@dataclass(slots=True, unsafe_hash=True)
class StoredVector:
    """One vector in its stored form, checked.

    `expires_s` is when the entry that it was read from expires, else 0. `packed` is the same for a store, where that is
    worth it, and `text` is `value` in base64, where it came as that. Final, and not frozen: see `Text`.
    """

    value: Final[bytes]
    dimensions: Final[int]
    tokens: Final[int]
    tokens_estimated: Final[bool]
    expires_s: Final[int] = field(default=0, compare=False)
    packed: Final[bytes | None] = field(default=None, compare=False)
    text: Final[memoryview | None] = field(default=None, compare=False, repr=False)

    def floats(self) -> FloatVector:
        """Return the vector, shape (dimensions,), float32; a view where it can be, not to be written to."""
        if _width(self.value[1]) == 2:  # noqa: PLR2004 (bytes of a float16)
            return np.frombuffer(self.value, dtype="<f2", offset=_HEADER.size).astype(np.float32)
        return np.frombuffer(self.value, dtype="<f4", offset=_HEADER.size)

    def base64(self) -> bytes | memoryview:
        """Return the vector as OpenAI's base64: float32, little-endian."""
        if self.text is not None:
            return self.text[_TEXT_AT:]
        if _width(self.value[1]) == 2:  # noqa: PLR2004 (as above)
            return pybase64.b64encode(self.floats().astype("<f4").tobytes())
        return pybase64.b64encode(memoryview(self.value)[_HEADER.size :])

    def kept(self) -> bytes:
        """Return what a store is to hold."""
        return self.packed or self.value


def stored_bytes(dimensions: int, storage: Storage) -> int:
    """Return how many bytes a store holds for a vector: as many at most, or where it packs them, about as many."""
    numbers = dimensions * (2 if storage == "f16" else 4)
    return _HEADER.size + numbers - (0 if storage == "f32" else dimensions // _SAVED_BY_PACKING[storage])


# A normalised vector's highest bytes are packed to a third (float32) or to three quarters (float16): see the tests.
_SAVED_BY_PACKING: dict[Storage, int] = {"f32z": 2, "f16": 4}


def encode(key: bytes, vector: FloatVector, tokens: int, *, estimated: bool, storage: Storage = "f32") -> StoredVector:
    """Put a vector into its stored form.

    `vector` has the shape (dimensions,) and is finite; `key` is the 32 bytes that it will be kept under, and `tokens`
    is what its input counts, at most `MOST_TOKENS`, which may be an estimate. What is too large for float16 stays
    float32.
    """
    dimensions = vector.shape[0]
    form = _HALF if storage == "f16" and bool(np.all(np.abs(vector) <= _LARGEST_HALF)) else 0
    body = np.ascontiguousarray(vector, dtype="<f2" if form == _HALF else "<f4").tobytes()
    tagged = tokens | (_ESTIMATED if estimated else 0)
    head = _HEADER.pack(_VERSION, form, dimensions, tagged, 0)[:_SUMMED_BYTES]
    value = b"".join((head, _sum(key, head, body).to_bytes(4, "little"), body))
    return StoredVector(value, dimensions, tokens, estimated)


def packed(stored: StoredVector) -> StoredVector:
    """Return the same vector, to be kept packed."""
    head, body = bytearray(stored.value[: _HEADER.size]), memoryview(stored.value)[_HEADER.size :]
    if head[0] != _VERSION:
        return stored
    width = _width(head[1])
    head[1] |= _PACKED
    return replace(stored, packed=bytes(head) + pack(body, width))


def decode(key: bytes, value: bytes, dimensions: int, expires_s: int = 0) -> StoredVector | None:
    """Take a vector out of its stored form; None where the value is not this key's, not whole, or of another size."""
    if len(value) < _HEADER.size:
        return None
    version, form, stored_dimensions, tagged, tag = _HEADER.unpack_from(value)
    if stored_dimensions != dimensions or form >= _FORMS:
        return None
    if form & _PACKED:
        body = unpack(memoryview(value)[_HEADER.size :], dimensions, _width(form))
        if body is None:
            return None
        value = bytes((version, form & ~_PACKED)) + value[2 : _HEADER.size] + body
    if len(value) != _HEADER.size + dimensions * _width(form) or tag != _tag(version, form, key, value):
        return None
    return StoredVector(value, dimensions, tagged & ~_ESTIMATED, bool(tagged & _ESTIMATED), expires_s)


def decode_all(
    rows: Sequence[tuple[bytes, bytes, int, memoryview | None]], dimensions: int
) -> list[StoredVector | None]:
    """Return what `decode` does for each key, value, second of expiry and text; sooner, where all are as usual."""
    usual, size_bytes = _KIND.pack(_VERSION, 0, dimensions), _HEADER.size + 4 * dimensions
    kinds, sizes = {value[: _KIND.size] for _, value, _, _ in rows}, {len(value) for _, value, _, _ in rows}
    if kinds != {usual} or sizes != {size_bytes}:
        return [decode(key, value, dimensions, expires_s) for key, value, expires_s, _ in rows]
    counted = [_COUNTED.unpack_from(value) for _, value, _, _ in rows]
    begun = [crc32(key + value[:_SUMMED_BYTES]) for key, value, _, _ in rows]
    sums = map(crc32, [memoryview(value)[_HEADER.size :] for _, value, _, _ in rows], begun)
    return [
        StoredVector(value, dimensions, tagged & ~_ESTIMATED, tagged >= _ESTIMATED, expires_s, None, text)
        if tag == total
        else None
        for (_, value, expires_s, text), (tagged, tag), total in zip(rows, counted, sums, strict=True)
    ]


def is_of(key: bytes, vector: StoredVector) -> bool:
    """Tell whether a vector was encoded for this key."""
    version, form, _, _, tag = _HEADER.unpack_from(vector.value)
    return tag == _tag(version, form, key, vector.value)


def _tag(version: int, form: int, key: bytes, value: bytes) -> int | None:
    if version == _VERSION:
        return _sum(key, value[:_SUMMED_BYTES], memoryview(value)[_HEADER.size :])
    return int.from_bytes(key[:4], "little") if version == _VERSION_UNSUMMED and form == 0 else None


def _sum(key: bytes, head: bytes, body: bytes | memoryview) -> int:
    """Bind a value to its key, and every bit of it to the others: 0.5 microseconds for 1536 numbers (zlib: 1.9)."""
    return crc32(body, crc32(key + head))


def _width(form: int) -> int:
    """Return how many bytes a number has."""
    return 2 if form & _HALF else 4


def cut(vector: FloatVector, dimensions: int) -> FloatVector:
    """Return the first `dimensions` numbers, scaled to length one, the same on every processor.

    The squares of float32 are exact in float64 and are added one after the other (`cumsum` has a fixed order, which
    `sum` has not), so that no instruction set gives another last bit.
    """
    head = vector[:dimensions].astype(np.float64)
    norm = np.sqrt(np.cumsum(head * head)[-1])
    return (head / norm).astype(np.float32) if norm > 0 else vector[:dimensions]
