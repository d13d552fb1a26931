"""How is a vector kept, so that a hit equals its miss to the last bit and base64 costs nothing to answer?

Twelve bytes of header (version, form, dimensions, tokens, a checksum of its key and of all that follows), then the
numbers, little-endian: float32, or float16 where the space says so. Twelve is divisible by three, so the base64 of the
whole, from its 16th character on, is the base64 of the vector: what OpenAI's API calls an embedding. A miss is answered
from this form too, so both are the same bytes. A store may hold it packed (`vector_packing.py`).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import pybase64

from embedge.core.checksum import crc32
from embedge.core.late import np
from embedge.core.route import Storage
from embedge.core.vector_packing import pack, unpack

_HEADER = struct.Struct("<BBHII")
_KIND = struct.Struct("<BBH")  # of a header: version, form, dimensions
_WORD, _WORDS = struct.Struct("<I"), struct.Struct("<III")  # the header with those three as one number
HEAD_BYTES = _HEADER.size
_SUMMED_BYTES = 8  # of the header: all but the checksum
_VERSION = 2
_VERSION_UNSUMMED = 1  # its last four bytes are the first of its key, and all it has is float32
_HALF = 1
_PACKED = 2  # only in stores: never in the form that answers are made from
_FORMS = 4
_ESTIMATED = 1 << 31
MOST_TOKENS = _ESTIMATED - 1
_LARGEST_HALF = 65_504

# A key; the header and the numbers of what is kept under it; the second from which on it is not; and the numbers where
# they lie in a reply, where they came as base64 without padding.
Row: TypeAlias = tuple[bytes, bytes, bytes, int, memoryview | None]
FloatVector: TypeAlias = "np.typing.NDArray[np.float32]"
FloatVectors: TypeAlias = "np.typing.NDArray[np.float32]"  # shape (inputs, dimensions)


@dataclass(slots=True, unsafe_hash=True)
class StoredVector:
    """One vector in its stored form, checked: `head` is its header, `body` its numbers.

    `expires_s` is when the entry that it was read from expires, 0 where that is kept elsewhere. `packed` is the whole
    for a store, where that is worth it, and `text` is `body` in base64, where it came as that. Final, and not frozen:
    making a frozen one takes three times as long.
    """

    head: Final[bytes]
    body: Final[bytes]
    dimensions: Final[int]
    tokens: Final[int]
    tokens_estimated: Final[bool]
    expires_s: Final[int] = field(default=0, compare=False)
    packed: Final[bytes | None] = field(default=None, compare=False)
    text: Final[memoryview | None] = field(default=None, compare=False, repr=False)

    def floats(self) -> FloatVector:
        """Return the vector, shape (dimensions,), float32; a view where it can be, not to be written to."""
        if _width(self.head[1]) == 2:  # noqa: PLR2004 (bytes of a float16)
            return np.frombuffer(self.body, dtype="<f2").astype(np.float32)
        return np.frombuffer(self.body, dtype="<f4")

    def base64(self) -> bytes | memoryview:
        """Return the vector as OpenAI's base64: float32, little-endian."""
        if self.text is not None:
            return self.text
        if _width(self.head[1]) == 2:  # noqa: PLR2004 (as above)
            return pybase64.b64encode(self.floats().astype("<f4").tobytes())
        return pybase64.b64encode(self.body)

    def kept(self) -> bytes:
        """Return what a store is to hold."""
        return self.packed or self.head + self.body


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
    return StoredVector(head + _sum(key, head, body).to_bytes(4, "little"), body, dimensions, tokens, estimated)


def packed(stored: StoredVector) -> StoredVector:
    """Return the same vector, to be kept packed."""
    head = bytearray(stored.head)
    if head[0] != _VERSION:
        return stored
    width = _width(head[1])
    head[1] |= _PACKED
    return replace(stored, packed=bytes(head) + pack(stored.body, width))


def decode(key: bytes, value: bytes, dimensions: int, expires_s: int = 0) -> StoredVector | None:
    """Take a vector out of its stored form; None where the value is not this key's, not whole, or of another size."""
    if len(value) < HEAD_BYTES:
        return None
    head, body = value[:HEAD_BYTES], value[HEAD_BYTES:]
    version, form, stored_dimensions, tagged, tag = _HEADER.unpack(head)
    if stored_dimensions != dimensions or form >= _FORMS:
        return None
    if form & _PACKED:
        unpacked = unpack(body, dimensions, _width(form))
        if unpacked is None:
            return None
        head, body = bytes((version, form & ~_PACKED)) + head[2:], unpacked
    if len(body) != dimensions * _width(form) or tag != _tag(key, head, body):
        return None
    return StoredVector(head, body, dimensions, tagged & ~_ESTIMATED, bool(tagged & _ESTIMATED), expires_s)


def decode_all(rows: Iterable[Row], dimensions: int, now_s: float) -> tuple[dict[bytes, StoredVector], int]:
    """Return by its key what `decode` does of each that has not expired, and how many of those it finds none in.

    Sooner, where an entry has the usual form.
    """
    (usual,) = _WORD.unpack(_KIND.pack(_VERSION, 0, dimensions))
    size_bytes = 4 * dimensions
    vectors: dict[bytes, StoredVector] = {}
    corrupt = 0
    for key, head, body, expires_s, text in rows:
        if expires_s <= now_s:
            continue
        kind, tagged, tag = _WORDS.unpack(head) if len(head) == HEAD_BYTES else (None, 0, 0)
        if kind != usual or len(body) != size_bytes:
            vector = decode(key, head + body, dimensions, expires_s)
            if vector is None:
                corrupt += 1
            else:
                vectors[key] = vector
        elif tag != crc32(body, crc32(key + head[:_SUMMED_BYTES])):
            corrupt += 1
        else:
            tokens, estimated = (tagged & ~_ESTIMATED, True) if tagged >= _ESTIMATED else (tagged, False)
            vectors[key] = StoredVector(head, body, dimensions, tokens, estimated, expires_s, None, text)
    return vectors, corrupt


def is_of(key: bytes, vector: StoredVector) -> bool:
    """Tell whether a vector was encoded for this key."""
    return _HEADER.unpack(vector.head)[4] == _tag(key, vector.head, vector.body)


def _tag(key: bytes, head: bytes, body: bytes) -> int | None:
    """Return what the last four bytes of a header should be."""
    if head[0] == _VERSION:
        return _sum(key, head[:_SUMMED_BYTES], body)
    return int.from_bytes(key[:4], "little") if head[0] == _VERSION_UNSUMMED and head[1] == 0 else None


def _sum(key: bytes, head: bytes, body: bytes) -> int:
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
