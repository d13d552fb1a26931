"""The native wire format of Hugging Face's Text Embeddings Inference. Source: its OpenAPI document, `/embed`, 2026-08.

On SageMaker the same body goes to `/invocations`, and the transport knows the way.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import orjson

from embedge.core.request import Input, Text
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError, InvalidValue, UpstreamInvalidResponse
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, checked, floats, json_of, nonsense, refusal_by_status


class TextEmbeddingsInference:
    """POST `{"inputs": [...], "truncate": false}`, answered by `[[...], ...]` in the order of the inputs."""

    # The server is the deployment's own and paid by the hour: its price a token counts what was delivered.
    bills_undelivered = False

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Send text only, and never let it be truncated in silence. Raises: InvalidValue for token ids."""
        del space, target
        texts = [item.content for item in inputs if isinstance(item, Text)]
        if len(texts) < len(inputs):
            raise InvalidValue("This model takes text, not token ids. Send strings instead.", param="input")
        body = orjson.dumps({"inputs": texts, "truncate": False})
        headers = (("content-type", "application/json"), ("accept", "application/json"))
        authorization = (("authorization", f"Bearer {secret}"),) if secret else ()
        return WireRequest("/embed", headers + authorization, body)

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Read the rows as they stand; this server neither numbers them nor counts tokens in its body."""
        rows = json_of(response.body)
        if not isinstance(rows, list) or len(cast("list[object]", rows)) != inputs:
            raise nonsense(f"one vector for each of {inputs} inputs was due, and did not come")
        read = [floats(row) for row in cast("list[object]", rows)]
        if any(row.shape != (space.dimensions,) for row in read):
            raise nonsense(f"vectors of {space.dimensions} numbers were due, and did not come")
        vectors = np.stack(read)
        return Answer(checked(vectors, inputs, space), None)

    def usage(self, response: WireResponse) -> int | None:
        """Return None: this server does not count in its body."""
        del response

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read `{"error": "...", "error_type": "..."}`."""
        try:
            document = json_of(response.body)
        except UpstreamInvalidResponse:  # an error page may be anything: only the status counts then
            document = None
        message = cast("dict[str, object]", document).get("error") if isinstance(document, dict) else None
        return refusal_by_status(response, message if isinstance(message, str) else None)
