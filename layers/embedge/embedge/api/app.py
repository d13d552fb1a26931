"""Which calls does the API answer? The FastAPI application, the same on a laptop and on Lambda."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from embedge.api import models
from embedge.api.account_headers import account_headers
from embedge.api.address_limit import AddressLimit
from embedge.api.answer import JSON, Answer
from embedge.api.cors import Cors
from embedge.api.deadline import seconds_left
from embedge.api.embeddings import Asked, answered, refused
from embedge.api.envelope import OBSERVATION, REQUEST_ID, Envelope, Underway, asked_path
from embedge.api.faults import log_fault
from embedge.api.received_body import receive
from embedge.api.serving import Serving
from embedge.api.usage_answer import usage_answer
from embedge.api.usage_query import read_question
from embedge.core.address_rate import AddressRates
from embedge.core.request import Observation
from embedge.core.routing import choose, require_scope
from embedge.errors import EmbedgeError, MethodNotAllowed, UnknownUrl
from embedge.usage import account, today

_READ = ["GET", "HEAD"]
# Requests that are cut off when the server stops settle first, and then the ledger gives back what is in the purses.
_LONGEST_END_S = 5.0


def create_app(serving: Serving, address_rates: AddressRates | None = None) -> FastAPI:
    """Build the application. `address_rates`: what others beside it count by, too."""
    underway = Underway()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await underway.nobody(_LONGEST_END_S)
        await serving.close()

    app = FastAPI(title="Embedge", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    if per_second := serving.requests_per_second_per_address:
        whose, rates = serving.services.authenticator, address_rates or AddressRates(per_second)
        app.add_middleware(
            AddressLimit, per_second=per_second, rates=rates, clock=serving.clock, authenticator=whose, refuse=_error
        )
    enveloped = partial(Envelope, telemetry=serving.telemetry, underway=underway, on_fault=log_fault)
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
        asked = Asked(
            body=body,
            credential=request.headers.get("authorization"),
            bot=request.headers.get("x-bot-id"),
            project=request.query_params.get("ai_project_id"),
            left_s=seconds_left(request.scope, serving.clock.now_s(), serving.longest_request_s),
            request_id=request.scope[REQUEST_ID],
            observation=_observation(request),
        )
        return _response(await answered(asked, serving))

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


def _observation(request: Request) -> Observation:
    return request.scope[OBSERVATION]


def _json(document: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), headers=headers, media_type=JSON)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, JSON)


async def _error(request: Request, error: Exception) -> Response:
    return _response(refused(error, request.scope[REQUEST_ID], _observation(request)))


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
