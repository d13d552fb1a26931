"""OpenAI's wire format, and that of whoever speaks it. Source: openai-openapi, `/embeddings`, read 2026-08.

Azure's, NanoGPT's, Nebius's, vLLM's and Ollama's servers speak it too, and so do containers on SageMaker, where the
same body goes to `/invocations` and the transport knows the way.
"""

from collections.abc import Sequence

import orjson

from embedge.core.request import Input
from embedge.core.route import Space, Target
from embedge.errors import EmbedgeError
from embedge.ports import WireRequest, WireResponse
from embedge.providers.base import Answer, headers_for
from embedge.providers.numbered_rows import read_numbered, usage_of
from embedge.providers.refusals import meaning_of


class OpenAI:
    """POST /embeddings, always for base64: a quarter of the bytes of floats, and nothing to parse."""

    # A call that was cut off may have been computed, and is then billed.
    bills_undelivered = True

    def request(self, inputs: Sequence[Input], space: Space, target: Target, secret: str | None) -> WireRequest:
        """Ask for full-size vectors: `dimensions` is never forwarded, smaller ones are cut from what is cached."""
        del space
        contents = [item if isinstance(item, str) else item.ids for item in inputs]
        body = orjson.dumps({"model": target.model, "input": contents, "encoding_format": "base64"})
        return WireRequest("/embeddings", headers_for(target, secret), body)

    def answer(self, response: WireResponse, inputs: int, space: Space) -> Answer:
        """Place each vector by its `index`; servers that ignore `encoding_format` send floats, and are read too."""
        return read_numbered(response, inputs, space)

    def usage(self, response: WireResponse) -> int | None:
        """Return `usage`."""
        return usage_of(response)

    def refusal(self, response: WireResponse) -> EmbedgeError:
        """Read the `error` object; a 429 for a spent quota is ours to mend, and trying again does not help."""
        return meaning_of(response)
