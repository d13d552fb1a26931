"""The native wire format of Hugging Face's Text Embeddings Inference. Source: its OpenAPI document, `/embed`, 2026-08.

On SageMaker the same body goes to `/invocations`, and the transport knows the way.
"""

from collections.abc import Sequence

import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, checked, floats, headers_for, items_of, json_of, texts_of
from embedge.providers.refusals import meaning_of


class TextEmbeddingsInference:
    """POST `{"inputs": [...], "truncate": false}`, answered by `[[...], ...]` in the order of the inputs."""

    # The server is the deployment's own and paid by the hour: its price a token counts what was delivered.
    bills_undelivered = False

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send text only, and never let it be truncated in silence. Raises: InvalidValue for token ids."""
        del space
        body = orjson.dumps({"inputs": texts_of(inputs), "truncate": False})
        return WireRequest("/embed", headers_for(target, secret), body)

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Read the rows as they stand; this server neither numbers them nor counts tokens in its body."""
        rows = [floats(row) for row in items_of(json_of(response.body))]
        return Answer(checked(rows, inputs, space), None)

    def usage(self, response: WireResponse) -> int | None:
        """Return None: this server does not count in its body."""
        del response

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read `{"error": "...", "error_type": "..."}`."""
        return meaning_of(response)
