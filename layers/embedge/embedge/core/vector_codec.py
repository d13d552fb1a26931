"""How is a vector kept, so that a hit equals its miss to the last bit and base64 costs nothing to answer?

Twelve bytes of header (version, form, dimensions, tokens, a checksum), then the numbers, little-endian: float32, or
float16 where the space says so. Twelve is divisible by three, so the base64 of the whole, from its 16th character on,
is the base64 of the vector: what OpenAI's API calls an embedding. A miss is answered from this form too, so both are
the same bytes. The checksum is of the key, of the header before it, and of the numbers in base64: so what DynamoDB
sends is checked, and answered with, as it came. A store may hold the numbers packed (`vector_packing.py`).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import pybase64
from typing_extensions import override

from embedge.core.checksum import crc32
from embedge.core.late import np
from embedge.core.route import Storage
from embedge.core.vector_packing import pack, unpack

_HEADER = struct.Struct("<BBHII")
_KIND = struct.Struct("<BBH")  # of a header: version, form, dimensions
_WORD, _WORDS = struct.Struct("<I"), struct.Struct("<III")  # the header with those three as one number
HEAD_BYTES = _HEADER.size
_SUMMED_BYTES = 8  # of the header: all but the checksum
_VERSION = 3
_VERSION_OF_BYTES = 2  # its checksum is of the numbers' bytes
_VERSION_UNSUMMED = 1  # its last four bytes are the first of its key, and all it has is float32
_HALF = 1
_PACKED = 2  # only in stores: never in the form that answers are made from
_FORMS = 4
_ESTIMATED = 1 << 31
MOST_TOKENS = _ESTIMATED - 1
_LARGEST_HALF = 65_504

# A key; the header of what is kept under it, and the base64 of its numbers; and the second from which on it is not.
Row: TypeAlias = tuple[bytes, bytes, bytes | memoryview, int]
FloatVector: TypeAlias = "np.typing.NDArray[np.float32]"
FloatVectors: TypeAlias = "np.typing.NDArray[np.float32]"  # shape (inputs, dimensions)


@dataclass(slots=True, eq=False)
class StoredVector:
    """One vector in its stored form, checked: `head` is its header, `body` its numbers, `encoded` their base64.

    Of these two one may be missing, and is made where it is asked for; of a float16, `encoded` always is.
    `expires_s` is when the entry that it was read from expires, 0 where that is kept elsewhere, and `packed` the whole
    for a store, where that is worth it. Two are equal where header and numbers are. Final, and not frozen: making a
    frozen one takes three times as long.
    """

    head: Final[bytes]
    body: Final[bytes | None]
    dimensions: Final[int]
    tokens: Final[int]
    tokens_estimated: Final[bool]
    expires_s: Final[int] = 0
    packed: Final[bytes | None] = None
    encoded: Final[bytes | memoryview | None] = field(default=None, repr=False)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredVector) and self.head == other.head and self.numbers() == other.numbers()

    @override
    def __hash__(self) -> int:
        return hash(self.head)

    def numbers(self) -> bytes:
        """Return the numbers' bytes."""
        return pybase64.b64decode(self.encoded or b"", None, True) if self.body is None else self.body

    def size_bytes(self) -> int:
        """Return how many bytes they are."""
        return self.dimensions * _width(self.head[1])

    def floats(self) -> FloatVector:
        """Return the vector, shape (dimensions,), float32; a view where it can be, not to be written to."""
        if _width(self.head[1]) == 2:  # noqa: PLR2004 (bytes of a float16)
            return np.frombuffer(self.numbers(), dtype="<f2").astype(np.float32)
        return np.frombuffer(self.numbers(), dtype="<f4")

    def base64(self) -> bytes | memoryview:
        """Return the vector as OpenAI's base64: float32, little-endian."""
        if self.encoded is not None:
            return self.encoded
        if _width(self.head[1]) == 2:  # noqa: PLR2004 (as above)
            return pybase64.b64encode(self.floats().astype("<f4").tobytes())
        return pybase64.b64encode(self.body or b"")  # which is there, where that is not

    def kept(self) -> bytes:
        """Return what a store is to hold."""
        return self.packed or self.head + self.numbers()

    def alone(self) -> "StoredVector":
        """Return the same with its numbers alone: without what only a store needs, or an answer."""
        if self.packed is None and self.encoded is None:
            return self
        return StoredVector(self.head, self.numbers(), self.dimensions, self.tokens, self.tokens_estimated)


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
    head = _HEADER.pack(_VERSION, form, dimensions, tokens | (_ESTIMATED if estimated else 0), 0)[:_SUMMED_BYTES]
    encoded = pybase64.b64encode(body)
    head += _sum(key, head, encoded).to_bytes(4, "little")
    return StoredVector(head, body, dimensions, tokens, estimated, encoded=None if form else encoded)


def packed(stored: StoredVector) -> StoredVector:
    """Return the same vector, to be kept packed."""
    head = bytearray(stored.head)
    if head[0] == _VERSION_UNSUMMED:
        return stored
    width = _width(head[1])
    head[1] |= _PACKED
    return replace(stored, packed=bytes(head) + pack(stored.numbers(), width))


def decode(key: bytes, value: bytes, dimensions: int, expires_s: int = 0) -> StoredVector | None:
    """Take a vector out of its stored form; None where the value is not this key's, not whole, or of another size."""
    if len(value) < HEAD_BYTES:
        return None
    head, body = value[:HEAD_BYTES], value[HEAD_BYTES:]
    version, form, stored_dimensions, tagged, tag = _HEADER.unpack(head)
    if stored_dimensions != dimensions or form >= _FORMS:
        return None
    if form & _PACKED:
        form &= ~_PACKED
        unpacked = unpack(body, dimensions, _width(form))
        if unpacked is None:
            return None
        head, body = bytes((version, form)) + head[2:], unpacked
    encoded = pybase64.b64encode(body) if version == _VERSION else None
    if len(body) != dimensions * _width(form) or tag != _tag(key, head, body, encoded):
        return None
    tokens, estimated = tagged & ~_ESTIMATED, bool(tagged & _ESTIMATED)
    return StoredVector(head, body, dimensions, tokens, estimated, expires_s, None, None if form else encoded)


def decode_all(rows: Iterable[Row], dimensions: int, now_s: float, vectors: dict[bytes, StoredVector]) -> int:
    """Add by its key what `decode` does of each that has not expired; return how many of those it finds none in.

    Sooner, where an entry has the usual form: its numbers stay in base64.
    """
    (usual,) = _WORD.unpack(_KIND.pack(_VERSION, 0, dimensions))
    size_chars = -(-4 * dimensions // 3) * 4
    corrupt = 0
    for key, head, encoded, expires_s in rows:
        if expires_s <= now_s:
            continue
        kind, tagged, tag = _WORDS.unpack(head) if len(head) == HEAD_BYTES else (None, 0, 0)
        if kind != usual or len(encoded) != size_chars:
            vector = _decode_encoded(key, head, encoded, dimensions, expires_s)
            if vector is None:
                corrupt += 1
            else:
                vectors[key] = vector
        elif tag != crc32(encoded, crc32(key + head[:_SUMMED_BYTES])):
            corrupt += 1
        else:
            tokens, estimated = (tagged & ~_ESTIMATED, True) if tagged >= _ESTIMATED else (tagged, False)
            vectors[key] = StoredVector(head, None, dimensions, tokens, estimated, expires_s, None, encoded)
    return corrupt


def _decode_encoded(
    key: bytes, head: bytes, encoded: bytes | memoryview, dimensions: int, expires_s: int
) -> StoredVector | None:
    try:
        return decode(key, head + pybase64.b64decode(encoded, None, True), dimensions, expires_s)
    except ValueError:
        return None


def is_of(key: bytes, vector: StoredVector) -> bool:
    """Tell whether a vector was encoded for this key."""
    body = b"" if vector.body is None else vector.body
    return _HEADER.unpack(vector.head)[4] == _tag(key, vector.head, body, vector.encoded)


def _tag(key: bytes, head: bytes, body: bytes, encoded: bytes | memoryview | None) -> int | None:
    """Return what the last four bytes of a header should be; `encoded` is the body's base64, where that is known."""
    version, form = head[0], head[1]
    if version == _VERSION:
        return _sum(key, head[:_SUMMED_BYTES], pybase64.b64encode(body) if encoded is None else encoded)
    if version == _VERSION_OF_BYTES:
        return _sum(key, head[:_SUMMED_BYTES], body)
    return int.from_bytes(key[:4], "little") if version == _VERSION_UNSUMMED and form == 0 else None


def _sum(key: bytes, head: bytes, numbers: bytes | memoryview) -> int:
    """Bind a value to its key, and every bit of it to the others: 0.6 microseconds for 1536 numbers (zlib: 2.5)."""
    return crc32(numbers, crc32(key + head))


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
