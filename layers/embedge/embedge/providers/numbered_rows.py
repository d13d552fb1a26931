"""How is an answer of OpenAI's shape read? By the `index` of each row, whatever their order.

`{"data": [{"index": 0, "embedding": ...}], "usage": {...}}`, each vector base64 of float32 or an array of numbers.
Source: openai-openapi, `CreateEmbeddingResponse`, read 2026-08.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import pybase64

from embedge.core.late import np
from embedge.core.route import Space
from embedge.core.vector_codec import FloatVector, FloatVectors
from embedge.errors import UpstreamInvalidResponse
from embedge.ports import WireResponse
from embedge.providers.base import Answer, checked, fields_of, floats, items_of, json_of, nonsense, sound, tokens_in

_FLOAT_BYTES = 4
_Row: TypeAlias = "bytes | FloatVector"


def read_numbered(response: WireResponse, inputs: int, space: Space) -> Answer:
    """Place each vector by its `index`. Raises: UpstreamInvalidResponse."""
    document = fields_of(json_of(response.body))
    rows: dict[int, _Row] = {}
    for item in items_of(document.get("data")):
        row = fields_of(item)
        index = row.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or index in rows:
            raise nonsense("an index is missing or repeated")
        rows[index] = _row(row.get("embedding"))
    if rows.keys() != set(range(inputs)):
        raise nonsense(f"one vector for each of {inputs} inputs was due, and did not come")
    return Answer(_matrix([rows[index] for index in range(inputs)], space), _tokens(document))


def usage_of(response: WireResponse) -> int | None:
    """Return `usage` in tokens, also where the vectors are unusable: that much is billed."""
    try:
        return _tokens(fields_of(json_of(response.body)))
    except UpstreamInvalidResponse:
        return None


def _tokens(document: Mapping[str, object]) -> int | None:
    """Return `usage.prompt_tokens`, else `usage.total_tokens`: without an output, they are the same."""
    usage = document.get("usage")
    if not isinstance(usage, Mapping):
        return None
    counts = cast("Mapping[str, object]", usage)
    prompt = tokens_in(counts.get("prompt_tokens"))
    return tokens_in(counts.get("total_tokens")) if prompt is None else prompt


def _matrix(rows: Sequence[_Row], space: Space) -> FloatVectors:
    """Return the rows as one, checked. Those that came as bytes are read at once, in a sixth of the time."""
    size_bytes = space.dimensions * _FLOAT_BYTES
    packed = [row for row in rows if isinstance(row, bytes) and len(row) == size_bytes]
    if len(packed) == len(rows):
        return sound(np.frombuffer(b"".join(packed), dtype="<f4").reshape(len(rows), space.dimensions), space)
    numbers = [np.frombuffer(row, dtype="<f4") if isinstance(row, bytes) else row for row in rows]
    return checked(numbers, len(rows), space)


def _row(embedding: object) -> _Row:
    if not isinstance(embedding, str):
        return floats(embedding)
    try:
        packed = pybase64.b64decode(embedding, validate=True)
    except ValueError as error:
        raise nonsense("a vector is not base64") from error
    if len(packed) % _FLOAT_BYTES:
        raise nonsense("a vector is not of float32")
    return packed
