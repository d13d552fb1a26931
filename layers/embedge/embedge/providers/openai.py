"""OpenAI's wire format, and that of whoever speaks it. Source: openai-openapi, `/embeddings`, read 2026-08."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import orjson
import pybase64

from embedge.core.request import Input, Text
from embedge.core.route import Space, Target
from embedge.core.vector_codec import MOST_TOKENS, FloatVector
from embedge.errors import EmbedgeError, UpstreamInvalidResponse, UpstreamRejected
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, checked, floats, json_of, nonsense, refusal_by_status


class OpenAI:
    """POST /embeddings, always for base64: a quarter of the bytes of floats, and nothing to parse."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Ask for full-size vectors: `dimensions` is never forwarded, smaller ones are cut from what is cached."""
        del space
        contents = [item.content if isinstance(item, Text) else item.ids for item in inputs]
        body = orjson.dumps({"model": target.model, "input": contents, "encoding_format": "base64"})
        headers = (("content-type", "application/json"), ("accept", "application/json"))
        authorization = (("authorization", f"Bearer {secret}"),) if secret else ()
        return WireRequest("/embeddings", headers + authorization, body)

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Place each vector by its `index`; servers answer in any order."""
        document = _mapping(json_of(response.body))
        rows: dict[int, FloatVector] = {}
        for entry in _sequence(document.get("data")):
            row = _mapping(entry)
            index = row.get("index")
            if not isinstance(index, int) or isinstance(index, bool) or index in rows:
                raise nonsense("an index is missing or repeated")
            rows[index] = _vector(row.get("embedding"))
        if rows.keys() != set(range(inputs)):
            raise nonsense(f"one vector for each of {inputs} inputs was due, and did not come")
        if any(row.shape != (space.dimensions,) for row in rows.values()):
            raise nonsense(f"vectors of {space.dimensions} numbers were due, and did not come")
        vectors = np.stack([rows[index] for index in range(inputs)])
        return Answer(checked(vectors, inputs, space), _reported_tokens(document))

    def usage(self, response: WireResponse) -> int | None:
        """Return `usage`, also where the vectors are unusable: that much is billed."""
        try:
            return _reported_tokens(_mapping(json_of(response.body)))
        except UpstreamInvalidResponse:
            return None

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read the `error` object; a 429 for a spent quota is ours to mend, and trying again does not help."""
        error = _error(response.body)
        if error.get("code") == "insufficient_quota":
            return UpstreamRejected("The deployment's quota at the model's provider is spent. Tell its operators.")
        message = error.get("message")
        return refusal_by_status(response, message if isinstance(message, str) else None)


def _error(body: bytes) -> Mapping[str, object]:
    """Return the error object. Some servers send it bare (TEI, older vLLM), or its message alone (older Ollama)."""
    try:
        document = _mapping(json_of(body))
    except UpstreamInvalidResponse:  # an error page may be anything: only the status counts then
        return {}
    error = document.get("error", document)
    return cast("Mapping[str, object]", error) if isinstance(error, Mapping) else {"message": error}


def _reported_tokens(document: Mapping[str, object]) -> int | None:
    """Return `usage.prompt_tokens`, else `usage.total_tokens`; None where neither is a count that can be kept."""
    usage = document.get("usage")
    if not isinstance(usage, Mapping):
        return None
    counts = cast("Mapping[str, object]", usage)
    for name in ("prompt_tokens", "total_tokens"):
        value = counts.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            return value
    return None


def _vector(embedding: object) -> FloatVector:
    if not isinstance(embedding, str):
        return floats(embedding)
    try:
        return np.frombuffer(pybase64.b64decode(embedding, validate=True), dtype="<f4")
    except ValueError as error:
        raise nonsense("a vector is not base64 of float32") from error


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise nonsense("it is not of the form that was asked for")
    return cast("Mapping[str, object]", value)


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise nonsense("it is not of the form that was asked for")
    return cast("Sequence[object]", value)
