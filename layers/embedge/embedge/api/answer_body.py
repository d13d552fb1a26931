"""How is an answer written? As bytes to be joined, without a model in between: vectors are most of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import orjson
import pybase64

from embedge.api.account_headers import account_headers
from embedge.api.answer import Part, escaped_json
from embedge.core.assembly import Embedded
from embedge.core.late import np
from embedge.core.request import Encoding
from embedge.core.vector_codec import StoredVector, cut


def parts(embedded: Embedded) -> list[Part]:
    """Return the JSON of OpenAI's CreateEmbeddingResponse in pieces: every second one is a vector's numbers."""
    quote = b'"' if embedded.encoding == "base64" else b""
    count = len(embedded.vectors)
    pieces: list[Part] = [b""] * (2 * count)
    pieces[::2] = _between(embedded.encoding, _room(count))[:count]
    pieces[1::2] = _vectors(embedded)
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    tier = b"" if embedded.tier is None else b',"service_tier":' + orjson.dumps(embedded.tier)
    end = (quote, b'}],"model":', orjson.dumps(embedded.model), b',"usage":', orjson.dumps(usage), tier, b"}")
    return [*pieces, b"".join(end)]


def size_bytes(embedded: Embedded, pieces: Sequence[Part]) -> int:
    """Return the length of all pieces together; vectors in base64 are of one length, as all have one size."""
    count = len(embedded.vectors)
    if embedded.encoding != "base64":
        return sum(map(len, pieces))
    return _between_bytes(embedded.encoding, count) + count * len(pieces[1]) + len(pieces[-1])


@lru_cache
def _between_bytes(encoding: Encoding, count: int) -> int:
    return sum(map(len, _between(encoding, _room(count))[:count]))


def in_json(embedded: Embedded, pieces: Sequence[Part]) -> list[Part]:
    """Return the same pieces as they stand in a string of JSON: numbers have nothing that is written in another way."""
    count = len(embedded.vectors)
    escaped = list(pieces)
    escaped[:-1:2] = _between_in_json(embedded.encoding, _room(count))[:count]
    escaped[-1] = escaped_json(bytes(pieces[-1]))
    return escaped


def _room(count: int) -> int:
    """Return a power of two that is no less: few are kept, and few are made for few."""
    return 1 << (count - 1).bit_length()


@lru_cache
def _between_in_json(encoding: Encoding, count: int) -> list[Part]:
    return [escaped_json(bytes(piece)) for piece in _between(encoding, count)]


@lru_cache
def _between(encoding: Encoding, count: int) -> list[Part]:
    """Return what stands before each of so many vectors: always the same."""
    quote = b'"' if encoding == "base64" else b""
    between = b'%b},{"object":"embedding","index":%%d,"embedding":%b' % (quote, quote)
    first = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":%b' % quote
    return [first, *(between % index for index in range(1, count))]


def headers(embedded: Embedded) -> dict[str, str]:
    """Return what the contract says of an answer besides its body."""
    return {
        "x-embedge-cache": f"hits={embedded.hits}; misses={embedded.misses}",
        "x-embedge-target": ",".join(embedded.targets) or "cache",
        **account_headers(embedded.cost_nano_usd, embedded.rates),
    }


def _vectors(embedded: Embedded) -> list[Part]:
    """Return each vector's numbers. One that stands more than once is written once."""
    vectors = embedded.vectors
    as_kept = embedded.encoding == "base64" and embedded.dimensions == vectors[0].dimensions
    if as_kept:
        encoded = [vector.encoded for vector in vectors]
        if all(encoded):  # as those from the table are
            return cast("list[Part]", encoded)
    places = list(map(id, vectors))
    if as_kept and len(set(places)) == len(vectors):
        return [vector.base64() for vector in vectors]
    written = {place: _written(vector, embedded) for place, vector in dict(zip(places, vectors, strict=True)).items()}
    return [written[place] for place in places]


def _written(vector: StoredVector, embedded: Embedded) -> Part:
    whole = embedded.dimensions == vector.dimensions
    if embedded.encoding == "base64" and whole:
        return vector.base64()
    floats = vector.floats() if whole else cut(vector.floats(), embedded.dimensions)
    if embedded.encoding == "base64":
        return pybase64.b64encode(floats.astype("<f4").tobytes())
    return orjson.dumps(np.ascontiguousarray(floats), option=orjson.OPT_SERIALIZE_NUMPY)
