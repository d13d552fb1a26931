"""Which calls does the API answer? The FastAPI application, the same on a laptop and on Lambda."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from embedge.api import models
from embedge.api.account_headers import account_headers, headers_of_refusal
from embedge.api.address_limit import AddressLimit
from embedge.api.carriage import JSON, Carriage, carry
from embedge.api.cors import Cors
from embedge.api.deadline import seconds_left
from embedge.api.envelope import OBSERVATION, REQUEST_ID, Envelope, Underway, asked_path
from embedge.api.error_table import error_answer
from embedge.api.received_body import ReceivedBody, json_text, receive
from embedge.api.request_body import read_request
from embedge.api.usage_answer import usage_answer
from embedge.api.usage_query import read_question
from embedge.core.address_rate import AddressRates
from embedge.core.request import MAX_ATTRIBUTION_CHARACTERS, Call, EmbeddingRequest, Observation
from embedge.core.routing import choose, require_scope
from embedge.embed import Services, embed
from embedge.errors import EmbedgeError, InvalidValue, MethodNotAllowed, UnknownUrl
from embedge.ports import Clock, Telemetry
from embedge.usage import Books, account, today

_READ = ["GET", "HEAD"]
# Requests that are cut off when the server stops settle first, and then the ledger gives back what is in the purses.
_LONGEST_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """What the API stands on."""

    services: Services
    books: Books
    telemetry: Telemetry
    clock: Clock
    longest_request_s: float
    carriage: Carriage
    close: Callable[[], Awaitable[None]]
    published_keys: Callable[[], Awaitable[Sequence[Mapping[str, object]]]]
    cors_origins: tuple[str, ...] = ()
    requests_per_second_per_address: int = 0  # 0: as many as may be


def create_app(serving: Serving) -> FastAPI:
    """Build the application."""
    underway = Underway()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await underway.nobody(_LONGEST_END_S)
        await serving.close()

    app = FastAPI(title="Embedge", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    if per_second := serving.requests_per_second_per_address:
        whose, rates = serving.services.authenticator, AddressRates(per_second)
        app.add_middleware(
            AddressLimit, per_second=per_second, rates=rates, clock=serving.clock, authenticator=whose, refuse=_error
        )
    enveloped = partial(Envelope, telemetry=serving.telemetry, underway=underway, on_fault=_log_fault)
    app.add_middleware(enveloped)
    if serving.cors_origins:  # the last that is added is the outermost
        app.add_middleware(Cors, origins=serving.cors_origins, enveloped=enveloped)
    app.add_exception_handler(EmbedgeError, _error)
    app.add_exception_handler(HTTPException, _not_served)
    _add_calls(app, serving)
    _add_usage(app, serving)
    return app


def _add_calls(app: FastAPI, serving: Serving) -> None:
    services = serving.services

    @app.post("/v1/embeddings")
    async def create_embeddings(request: Request) -> Response:
        await asyncio.sleep(0)  # lets the loop see connections that closed while the process was frozen
        body = await receive(request)
        left_s = seconds_left(request.scope, serving.clock.now_s(), serving.longest_request_s)
        call = Call(
            credential=request.headers.get("authorization"),
            read=lambda: _read(request, body),
            deadline_s=asyncio.get_running_loop().time() + left_s,
            observation=_observation(request),
        )
        try:
            embedded = await embed(call, services)
        finally:
            await services.usage.add(call.observation)
        return await carry(embedded, serving.carriage, call, request.scope[REQUEST_ID])

    @app.api_route("/v1/models", methods=_READ)
    async def list_models(request: Request) -> Response:
        principal = await services.authenticator.confirm(request.headers.get("authorization"))
        _observation(request).tenant = principal.tenant
        require_scope(principal, "models")
        return _json(models.listed(await services.routes.current(), principal))

    @app.api_route("/v1/models/{model:path}", methods=_READ)
    async def retrieve_model(request: Request, model: str) -> Response:
        principal = await services.authenticator.confirm(request.headers.get("authorization"))
        _observation(request).tenant = principal.tenant
        require_scope(principal, "models")
        return _json(models.described(choose(await services.routes.current(), principal, model)))

    @app.api_route("/health", methods=_READ)
    async def health() -> Response:
        await services.routes.current()  # raises where nothing could be served
        return _json({"status": "ok"})

    @app.api_route("/.well-known/jwks.json", methods=_READ)
    @app.api_route("/v1/.well-known/jwks.json", methods=_READ)
    async def publish_keys() -> Response:
        return _json({"keys": await serving.published_keys()})

    @app.api_route("/openapi.json", methods=_READ)
    @app.api_route("/v1/openapi.json", methods=_READ)
    async def describe(request: Request) -> Response:
        # Here, because nothing else needs it: neither a cold start nor any other request is to pay for it.
        from embedge.api import openapi  # noqa: PLC0415

        return Response(openapi.document(asked_path(request.scope)), media_type=JSON)


def _add_usage(app: FastAPI, serving: Serving) -> None:
    services = serving.services

    @app.api_route("/v1/usage", methods=_READ)
    async def read_usage(request: Request) -> Response:
        principal = await services.authenticator.confirm(request.headers.get("authorization"))
        seen = _observation(request)
        seen.tenant = principal.tenant
        require_scope(principal, "usage")
        question = read_question(request.query_params.multi_items(), today(serving.clock))
        seen.rates = (await services.rates.admit(principal)).rates
        found = await account(principal, question, serving.books)
        return _json(usage_answer(principal.tenant, question, found), account_headers(0, seen.rates))


def _read(request: Request, body: ReceivedBody) -> EmbeddingRequest:
    """Read what the request says, attribution included; only for a caller who is known."""
    seen = _observation(request)
    seen.bot = _attribution(request.headers.get("x-bot-id"), "X-Bot-ID") or seen.bot
    seen.project = _attribution(request.query_params.get("ai_project_id"), "ai_project_id") or ""
    return read_request(json_text(body))


def _attribution(value: str | None, name: str) -> str | None:
    visible = value is None or (len(value) <= MAX_ATTRIBUTION_CHARACTERS and value.isascii() and value.isprintable())
    if not visible:
        raise InvalidValue(
            f"Invalid value for '{name}': at most {MAX_ATTRIBUTION_CHARACTERS} visible characters.", param=name
        )
    return value


def _observation(request: Request) -> Observation:
    return request.scope[OBSERVATION]


def _json(document: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), headers=headers, media_type=JSON)


async def _error(request: Request, error: Exception) -> Response:
    answer = error_answer(error, request.scope[REQUEST_ID])
    headers = {**answer.headers, **headers_of_refusal(error, _observation(request))}
    return Response(answer.body, answer.status, headers, JSON)


async def _not_served(request: Request, error: Exception) -> Response:
    """Give the framework's own 404 and 405 the shape of all errors."""
    status = error.status_code if isinstance(error, HTTPException) else None
    if status == 405:  # noqa: PLR2004 (HTTP's own number)
        headers = (error.headers if isinstance(error, HTTPException) else None) or {}
        allowed = ", ".join(sorted(headers.get("Allow", "").split(", ")))  # a set's order is another in each process
        answer = await _error(
            request, MethodNotAllowed(f"This URL does not take {request.method}. It takes {allowed}.")
        )
        answer.headers["allow"] = allowed
        return answer
    return await _error(request, UnknownUrl("Unknown URL. See POST /v1/embeddings and GET /v1/models."))


def _log_fault(error: Exception) -> None:
    """Say where our own fault is, and nothing of the values in it: they may be somebody's text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logging.getLogger("embedge").error("internal error: %s at %s", type(error).__name__, where)
