"""How is an answer written? As bytes joined, without a model in between: vectors are most of it."""

from collections.abc import Iterator

import orjson
import pybase64

from embedge.api.account_headers import account_headers
from embedge.core.assembly import Embedded
from embedge.core.late import np
from embedge.core.vector_codec import StoredVector, cut


def body(embedded: Embedded) -> bytes:
    """Return the JSON of OpenAI's CreateEmbeddingResponse."""
    parts = [b'{"object":"list","data":[']
    for index, vector in enumerate(_vectors(embedded)):
        parts += [
            b"," if index else b"",
            b'{"object":"embedding","index":%d,"embedding":' % index,
            vector,
            b"}",
        ]
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    tier = b"" if embedded.tier is None else b',"service_tier":' + orjson.dumps(embedded.tier)
    parts += [b'],"model":', orjson.dumps(embedded.model), b',"usage":', orjson.dumps(usage), tier, b"}"]
    return b"".join(parts)


def headers(embedded: Embedded) -> dict[str, str]:
    """Return what the contract says of an answer besides its body."""
    return {
        "x-embedge-cache": f"hits={embedded.hits}; misses={embedded.misses}",
        "x-embedge-target": ",".join(embedded.targets) or "cache",
        **account_headers(embedded.cost_nano_usd, embedded.rates),
    }


def _vectors(embedded: Embedded) -> Iterator[bytes]:
    """Yield each vector as JSON. One that stands more than once is written once."""
    written: dict[int, bytes] = {}
    for vector in embedded.vectors:
        if id(vector) not in written:
            written[id(vector)] = _vector(vector, embedded)
        yield written[id(vector)]


def _vector(vector: StoredVector, embedded: Embedded) -> bytes:
    whole = embedded.dimensions == vector.dimensions
    if embedded.encoding == "base64" and whole:
        return b'"%b"' % vector.base64()
    floats = vector.floats() if whole else cut(vector.floats(), embedded.dimensions)
    if embedded.encoding == "base64":
        return b'"%b"' % pybase64.b64encode(floats.astype("<f4").tobytes())
    return orjson.dumps(np.ascontiguousarray(floats), option=orjson.OPT_SERIALIZE_NUMPY)
