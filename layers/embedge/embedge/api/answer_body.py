"""How is an answer written? As bytes joined, without a model in between: vectors are most of it."""

from collections.abc import Iterator

import numpy as np
import orjson
import pybase64

from embedge.core.assembly import Embedded
from embedge.core.gcra import RateState
from embedge.core.vector_codec import StoredVector, cut

_NANO = 1_000_000_000


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
    parts += [b'],"model":', orjson.dumps(embedded.model), b',"usage":', orjson.dumps(usage), b"}"]
    return b"".join(parts)


def headers(embedded: Embedded) -> dict[str, str]:
    """Return what the contract says of an answer besides its body."""
    return {
        "x-embedge-cache": f"hits={embedded.hits}; misses={embedded.misses}",
        "x-embedge-target": ",".join(embedded.targets) or "cache",
        "x-embedge-cost-usd": _dollars(embedded.cost_nano_usd),
        **{name: value for rate in embedded.rates for name, value in _rate_headers(rate)},
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


def _dollars(nano_usd: int) -> str:
    """Return a plain decimal without a trailing zero: 160 nano-dollars are 0.00000016."""
    return f"{nano_usd // _NANO}.{nano_usd % _NANO:09d}".rstrip("0").rstrip(".")


def _rate_headers(rate: RateState) -> Iterator[tuple[str, str]]:
    yield f"x-ratelimit-limit-{rate.kind}", str(rate.limit)
    yield f"x-ratelimit-remaining-{rate.kind}", str(rate.remaining)
    yield f"x-ratelimit-reset-{rate.kind}", duration(rate.reset_us)


def duration(microseconds: int) -> str:
    """Return a duration as OpenAI's headers write it: `12ms`, `2.812s`, `6m0s`."""
    milliseconds = -(-microseconds // 1000)
    if milliseconds < 1000:  # noqa: PLR2004 (a second)
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
