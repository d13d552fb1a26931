"""Which calls does the API answer beside the embeddings? A FastAPI application, inside of what all answers share."""

from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from embedge.api import models
from embedge.api.account_headers import account_headers
from embedge.api.answer import JSON, Answer
from embedge.api.embeddings import refused
from embedge.api.embeddings_call import not_allowed
from embedge.api.envelope import OBSERVATION, REQUEST_ID, asked_path
from embedge.api.error_table import error_answer
from embedge.api.serving import Serving
from embedge.api.usage_answer import usage_answer
from embedge.api.usage_query import read_question
from embedge.core.allowance import of_no_model
from embedge.core.request import Observation
from embedge.core.routing import choose, require_scope
from embedge.errors import EmbedgeError, UnknownUrl
from embedge.usage import account, today

_READ = ["GET", "HEAD"]


def other_calls(serving: Serving) -> FastAPI:
    """Build the application."""
    app = FastAPI(title="Embedge", openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(EmbedgeError, _error)
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(Exception, _fault)
    _add_calls(app, serving)
    _add_usage(app, serving)
    return app


def _add_calls(app: FastAPI, serving: Serving) -> None:
    services = serving.services

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
        seen.rates = (await services.rates.admit(of_no_model(principal))).rates
        found = await account(principal, question, serving.books)
        return _json(usage_answer(principal.tenant, question, found), account_headers(0, seen.rates))


def _observation(request: Request) -> Observation:
    return request.scope[OBSERVATION]


def _json(document: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), headers=headers, media_type=JSON)


def _response(answer: Answer) -> Response:
    return Response(answer.body(), answer.status, answer.headers, JSON)


async def _error(request: Request, error: Exception) -> Response:
    return _response(refused(error, request.scope[REQUEST_ID], _observation(request)))


async def _fault(request: Request, error: Exception) -> Response:
    """Answer a fault of our own; the framework raises it once more then, and the envelope tells of it."""
    answer = error_answer(error, request.scope[REQUEST_ID])
    return Response(answer.body, answer.status, answer.headers, JSON)


async def _not_served(request: Request, error: Exception) -> Response:
    """Give the framework's own 404 and 405 the shape of all errors."""
    if not isinstance(error, HTTPException) or error.status_code != 405:  # noqa: PLR2004 (HTTP's own number)
        return await _error(request, UnknownUrl("Unknown URL. See POST /v1/embeddings and GET /v1/models."))
    allowed = (error.headers or {}).get("Allow", "")  # a set, whose order is another in each process
    return _response(not_allowed(request.scope, ", ".join(sorted(allowed.split(", ")))))
