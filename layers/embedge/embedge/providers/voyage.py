"""Voyage AI's wire format: OpenAI's answers, and a request of its own.

Source: https://docs.voyageai.com/reference/embeddings-api, read 2026-11. At most 1000 inputs a call.
"""

from collections.abc import Sequence

import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, headers_for, texts_of
from embedge.providers.numbered_rows import read_numbered, usage_of
from embedge.providers.refusals import meaning_of

# Models of the third generation and later take a size, 1024 where none is asked for. Earlier ones have one size, mostly
# this one, and nothing says that they bear being asked.
_DEFAULT_DIMENSIONS = 1024


class Voyage:
    """POST /embeddings. Its own words: `input_type`, `truncation`, `output_dimension`, `output_dtype`."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send text only, and never let it be truncated in silence, as is its default. Raises: InvalidValue."""
        fields: dict[str, object] = {
            "model": target.model,
            "input": texts_of(inputs),
            "truncation": False,
            "output_dtype": "float",
            "encoding_format": "base64",
        }
        if space.input_type:
            fields["input_type"] = space.input_type
        if space.dimensions != _DEFAULT_DIMENSIONS:
            fields["output_dimension"] = space.dimensions
        return WireRequest("/embeddings", headers_for(target, secret), orjson.dumps(fields))

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Place each vector by its `index`."""
        return read_numbered(response, inputs, space)

    def usage(self, response: WireResponse) -> int | None:
        """Return `usage.total_tokens`."""
        return usage_of(response)

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read `{"detail": "..."}`."""
        return meaning_of(response)
