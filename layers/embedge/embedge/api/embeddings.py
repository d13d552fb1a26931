"""How is `POST /v1/embeddings` answered, whoever brings the request? By the way; here is what it takes and gives."""

import asyncio
from typing import NamedTuple

from embedge.api.account_headers import headers_of_refusal
from embedge.api.answer import Answer
from embedge.api.carriage import carry
from embedge.api.error_table import error_answer
from embedge.api.received_body import ReceivedBody, json_text
from embedge.api.request_body import read_request
from embedge.api.serving import Serving
from embedge.core.request import MAX_ATTRIBUTION_CHARACTERS, Call, EmbeddingRequest, Observation
from embedge.embed import embed
from embedge.errors import BudgetSpent, InvalidValue, PaymentRequired


class Asked(NamedTuple):
    """A request as it came: the body, the headers that are read, and for how long it may run."""

    body: ReceivedBody
    credential: str | None
    bot: str | None
    project: str | None
    left_s: float
    request_id: str
    observation: Observation


async def answered(asked: Asked, serving: Serving) -> Answer:
    """Return the answer. Raises: EmbedgeError, whose answer is `refused`."""
    call = Call(
        credential=asked.credential,
        read=lambda: _read(asked),
        deadline_s=asyncio.get_running_loop().time() + asked.left_s,
        observation=asked.observation,
    )
    try:
        embedded = await embed(call, serving.services)
    except BudgetSpent as spent:
        if serving.budget_spent_status == 402:  # noqa: PLR2004 (HTTP's own number)
            raise PaymentRequired(spent.message) from spent
        raise
    finally:
        await serving.services.usage.add(call.observation)
    return await carry(embedded, serving.carriage, call, asked.request_id)


def refused(error: Exception, request_id: str, seen: Observation) -> Answer:
    """Return the answer to a request that was refused."""
    answer = error_answer(error, request_id)
    return Answer(answer.status, {**answer.headers, **headers_of_refusal(error, seen)}, (answer.body,))


def _read(asked: Asked) -> EmbeddingRequest:
    """Read what the request says, attribution included; only for a caller who is known."""
    seen = asked.observation
    seen.bot = _attribution(asked.bot, "X-Bot-ID") or seen.bot
    seen.project = _attribution(asked.project, "ai_project_id") or ""
    return read_request(json_text(asked.body))


def _attribution(value: str | None, name: str) -> str | None:
    visible = value is None or (len(value) <= MAX_ATTRIBUTION_CHARACTERS and value.isascii() and value.isprintable())
    if not visible:
        raise InvalidValue(
            f"Invalid value for '{name}': at most {MAX_ATTRIBUTION_CHARACTERS} visible characters.", param=name
        )
    return value
