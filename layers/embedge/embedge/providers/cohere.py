"""Cohere's wire format, as its own API and Bedrock speak it. At most 96 texts a call.

Sources, read 2026-11: https://docs.cohere.com/reference/embed (v2) and, for Bedrock, where a text has at most 2048
characters, https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html
"""

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError, UpstreamInvalidResponse
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import (
    Answer,
    checked,
    fields_of,
    floats,
    headers_for,
    items_of,
    json_of,
    texts_of,
    tokens_in,
)
from embedge.providers.bedrock_usage import counted_by_bedrock
from embedge.providers.refusals import meaning_of


class Cohere:
    """POST /embed; on Bedrock InvokeModel with the same body, but for the model, which is in the path there."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send text only, with its type, and never let it be truncated in silence. Raises: InvalidValue."""
        fields = {
            "texts": texts_of(inputs),
            "input_type": space.input_type,
            "truncate": "NONE",
            "embedding_types": ["float"],  # Bedrock has no base64
        }
        if target.transport == "bedrock":  # which refuses fields that it does not know
            return WireRequest("", headers_for(target, secret), orjson.dumps(fields))
        return WireRequest("/embed", headers_for(target, secret), orjson.dumps({"model": target.model} | fields))

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Read the rows in the order of the texts: under `float`, or bare, as Bedrock has them for a single type."""
        document = fields_of(json_of(response.body))
        embeddings = document.get("embeddings")
        rows = cast("Mapping[str, object]", embeddings).get("float") if isinstance(embeddings, Mapping) else embeddings
        vectors = checked([floats(row) for row in items_of(rows)], inputs, space)
        return Answer(vectors, _tokens(document, response))

    def usage(self, response: WireResponse) -> int | None:
        """Return `meta.billed_units.input_tokens`, else what Bedrock counted in its header."""
        try:
            return _tokens(fields_of(json_of(response.body)), response)
        except UpstreamInvalidResponse:
            return counted_by_bedrock(response)

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read `{"message": "..."}`."""
        return meaning_of(response)


def _tokens(document: Mapping[str, object], response: WireResponse) -> int | None:
    try:
        billed = fields_of(fields_of(document.get("meta")).get("billed_units")).get("input_tokens")
    except UpstreamInvalidResponse:  # Bedrock leaves `meta` out
        billed = None
    # The API declares its counts as doubles.
    counted = tokens_in(int(billed) if isinstance(billed, float) and billed.is_integer() else billed)
    return counted_by_bedrock(response) if counted is None else counted
