"""How is an answer written? As bytes to be joined, without a model in between: vectors are most of it."""

import orjson
import pybase64

from embedge.api.account_headers import account_headers
from embedge.core.assembly import Embedded
from embedge.core.late import np
from embedge.core.vector_codec import StoredVector, cut


def parts(embedded: Embedded) -> list[bytes]:
    """Return the JSON of OpenAI's CreateEmbeddingResponse in pieces: every second one is a vector's numbers."""
    quote = b'"' if embedded.encoding == "base64" else b""
    between = b'%b},{"object":"embedding","index":%%d,"embedding":%b' % (quote, quote)
    pieces = [b"", b""] * len(embedded.vectors)
    pieces[::2] = [between % index for index in range(len(embedded.vectors))]
    pieces[0] = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":' + quote
    pieces[1::2] = _vectors(embedded)
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    tier = b"" if embedded.tier is None else b',"service_tier":' + orjson.dumps(embedded.tier)
    end = (quote, b'}],"model":', orjson.dumps(embedded.model), b',"usage":', orjson.dumps(usage), tier, b"}")
    return [*pieces, b"".join(end)]


def headers(embedded: Embedded) -> dict[str, str]:
    """Return what the contract says of an answer besides its body."""
    return {
        "x-embedge-cache": f"hits={embedded.hits}; misses={embedded.misses}",
        "x-embedge-target": ",".join(embedded.targets) or "cache",
        **account_headers(embedded.cost_nano_usd, embedded.rates),
    }


def _vectors(embedded: Embedded) -> list[bytes]:
    """Return each vector's numbers. One that stands more than once is written once."""
    apart = {id(vector): vector for vector in embedded.vectors}
    if embedded.encoding == "base64" and all(vector.dimensions == embedded.dimensions for vector in apart.values()):
        written = {place: vector.base64() for place, vector in apart.items()}
    else:
        written = {place: _written(vector, embedded) for place, vector in apart.items()}
    return [written[id(vector)] for vector in embedded.vectors]


def _written(vector: StoredVector, embedded: Embedded) -> bytes:
    whole = embedded.dimensions == vector.dimensions
    floats = vector.floats() if whole else cut(vector.floats(), embedded.dimensions)
    if embedded.encoding == "base64":
        return pybase64.b64encode(floats.astype("<f4").tobytes())
    return orjson.dumps(np.ascontiguousarray(floats), option=orjson.OPT_SERIALIZE_NUMPY)
