"""How does an answer go back? As it is where it fits; else it is kept, and the client is told where to fetch it."""

import asyncio
from dataclasses import dataclass

from embedge.api import answer_body
from embedge.api.answer import Answer
from embedge.api.error_table import error_answer
from embedge.core.assembly import Embedded
from embedge.core.kept_answer import LINK_VALID_S
from embedge.core.request import Call, Encoding
from embedge.errors import AnswerElsewhere, ServiceUnavailable
from embedge.ports import AnswerStore, NotKept

# Past the deadline, out of what it reserves: keeping may still end, and the rest carries the answer out.
_LAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Carriage:
    """What can be sent back as it is, and what takes the larger ones; without it there are none (see embed.py)."""

    largest_bytes: int
    store: AnswerStore | None


async def carry(embedded: Embedded, carriage: Carriage, call: Call, request_id: str) -> Answer:
    """Return the answer, or 303 and where it is: what clients follow with a GET that does not carry their token.

    Raises: ServiceUnavailable where it could not be kept.
    """
    headers = answer_body.headers(embedded)
    pieces = answer_body.parts(embedded)
    size_bytes = answer_body.size_bytes(embedded, pieces)
    answer = Answer(200, headers, pieces, answer_body.in_json(embedded, pieces), size_bytes)
    if carriage.store is None or answer.size_bytes <= carriage.largest_bytes:
        return answer
    url = await _kept(carriage.store, call, answer.body())
    elsewhere = error_answer(_elsewhere(answer.size_bytes, embedded.encoding), request_id)
    return Answer(elsewhere.status, {**headers, **elsewhere.headers, "location": url}, (elsewhere.body,))


async def _kept(store: AnswerStore, call: Call, body: bytes) -> str:
    try:
        async with asyncio.timeout_at(call.deadline_s + _LAST_S):
            return await store.keep(call.observation.tenant, body)
    except (NotKept, TimeoutError) as fault:
        raise ServiceUnavailable(
            "The answer is too large to be sent here, and it could not be kept for you to fetch. Please try again: "
            "what the cache holds of it by now is not paid for twice.",
            retry_after_s=1,
        ) from fault


def _elsewhere(size_bytes: int, encoding: Encoding) -> AnswerElsewhere:
    or_shorter = ', or ask for "encoding_format": "base64"' if encoding == "float" else ""
    return AnswerElsewhere(
        f"The answer has {size_bytes} bytes, too many to be sent here. It is kept for you: GET the URL in the Location "
        f"header within {LINK_VALID_S} seconds, without the Authorization header; clients that follow redirects do. "
        f"Or send fewer inputs in one request{or_shorter}."
    )
