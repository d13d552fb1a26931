"""Jina AI's wire format: OpenAI's answers, and a request of its own.

Source: https://api.jina.ai/openapi.json, `TextEmbeddingInput`, read 2026-11. At most 2048 inputs a call.
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


class Jina:
    """POST /embeddings. Its own words: `task`, `embedding_type`, `normalized`, `truncate`, `late_chunking`."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send text only, each embedded by itself and never truncated in silence. Raises: InvalidValue."""
        fields: dict[str, object] = {
            "model": target.model,
            "input": texts_of(inputs),
            "embedding_type": "base64",
            "dimensions": space.dimensions,
            "normalized": space.normalised,
            "truncate": False,
            "late_chunking": False,  # it would let a vector depend on what travels beside it
        }
        if space.input_type:
            fields["task"] = space.input_type
        return WireRequest("/embeddings", headers_for(target, secret), orjson.dumps(fields))

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Place each vector by its `index`."""
        return read_numbered(response, inputs, space)

    def usage(self, response: WireResponse) -> int | None:
        """Return `usage.prompt_tokens`, else `usage.total_tokens`."""
        return usage_of(response)

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read `{"detail": {"message": "...", "code": "..."}}`, and FastAPI's."""
        return meaning_of(response)
