"""How does `POST /v1/embeddings` come in over ASGI? Straight, with no framework in between: it is nearly all calls."""

from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from embedge.api.answer import Answer
from embedge.api.deadline import seconds_left
from embedge.api.embeddings import Asked, answered, refused
from embedge.api.envelope import OBSERVATION, REQUEST_ID
from embedge.api.receiving import read_headers, receive_body
from embedge.api.sending import send_answer
from embedge.api.serving import Serving
from embedge.errors import EmbedgeError, MethodNotAllowed

_PATH = "/v1/embeddings"


class EmbeddingsCall:
    """ASGI middleware, inside of all others."""

    def __init__(self, others: ASGIApp, serving: Serving) -> None:
        """Take who answers all other calls, and what this one stands on."""
        self._others = others
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != _PATH:
            await self._others(scope, receive, send)
            return
        answer = await self._answer(scope, receive) if scope["method"] == "POST" else not_allowed(scope, "POST")
        await send_answer(answer.status, answer.headers, answer.body(), send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await answered(await self._asked(scope, receive), self._serving)
        except EmbedgeError as error:
            return refused(error, scope[REQUEST_ID], scope[OBSERVATION])

    async def _asked(self, scope: Scope, receive: Receive) -> Asked:
        headers = read_headers(scope)
        return Asked(
            body=await receive_body(scope, headers, receive),
            credential=headers.get("authorization"),
            bot=headers.get("x-bot-id"),
            project=_project(scope["query_string"]),
            left_s=seconds_left(scope, self._serving.clock.now_s(), self._serving.longest_request_s),
            request_id=scope[REQUEST_ID],
            observation=scope[OBSERVATION],
        )


def not_allowed(scope: Scope, allowed: str) -> Answer:
    """Return the answer to a request whose method its path does not take."""
    error = MethodNotAllowed(f"This URL does not take {scope['method']}. It takes {allowed}.")
    answer = refused(error, scope[REQUEST_ID], scope[OBSERVATION])
    return Answer(answer.status, {**answer.headers, "allow": allowed}, answer.parts)


def _project(query: bytes) -> str | None:
    """Return the project that the query names, the last where it names several."""
    if not query:
        return None
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)).get("ai_project_id")
