"""Amazon Titan Text Embeddings V2 on Bedrock: one text a call.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html, read 2026-11.
"""

from collections.abc import Mapping, Sequence

import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError, UpstreamInvalidResponse
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, checked, fields_of, floats, headers_for, json_of, texts_of, tokens_in
from embedge.providers.bedrock_usage import counted_by_bedrock
from embedge.providers.refusals import meaning_of


class Titan:
    """InvokeModel with `{"inputText": ...}`, answered by `{"embedding": [...], "inputTextTokenCount": ...}`."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send the one text as it is: texts are never joined into one. Raises: InvalidValue for token ids."""
        (text,) = texts_of(inputs)  # a route to this wire format packs one input a call
        body = orjson.dumps(
            {
                "inputText": text,
                "dimensions": space.dimensions,
                "normalize": space.normalised,
                "embeddingTypes": ["float"],
            }
        )
        return WireRequest("", headers_for(target, secret), body)

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Read the one vector."""
        document = fields_of(json_of(response.body))
        return Answer(checked([floats(document.get("embedding"))], inputs, space), _tokens(document, response))

    def usage(self, response: WireResponse) -> int | None:
        """Return `inputTextTokenCount`, else what Bedrock counted in its header."""
        try:
            return _tokens(fields_of(json_of(response.body)), response)
        except UpstreamInvalidResponse:
            return counted_by_bedrock(response)

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read Bedrock's `{"message": "..."}`."""
        return meaning_of(response)


def _tokens(document: Mapping[str, object], response: WireResponse) -> int | None:
    counted = tokens_in(document.get("inputTextTokenCount"))
    return counted_by_bedrock(response) if counted is None else counted
