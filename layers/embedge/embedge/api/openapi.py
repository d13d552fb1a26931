"""What does the API say of itself? An OpenAPI 3.1 document, made of what the code itself goes by.

Statuses, types and codes come from the table of errors, limits and choices from where they are checked. Nothing else
imports this module: it is read, and the document made, when somebody asks.

Source: https://spec.openapis.org/oas/v3.1.1.html, read 2026-08.
"""

from functools import cache
from urllib.parse import quote

import orjson

from embedge import errors
from embedge.api import openapi_schemas as schemas
from embedge.api.error_table import TABLE
from embedge.api.openapi_answers import COST, LIMITS, ON_EMBEDDINGS, answer, error_answers, headers
from embedge.api.openapi_schemas import Node
from embedge.api.usage_query import GROUPS, LONGEST_DAYS, USUAL_DAYS
from embedge.core.request import MAX_BODY_BYTES

_KNOWN_CALLERS = (
    errors.CredentialMissing,
    errors.CredentialInvalid,
    errors.CredentialExpired,
    errors.CredentialRevoked,
    errors.TenantBlocked,
    errors.AddressRateLimited,
    errors.ScopeMissing,
    errors.ServiceUnavailable,
)
_ANYBODY = (errors.AddressRateLimited, errors.ServiceUnavailable)
_ON_ONE_MODEL = (*_KNOWN_CALLERS, errors.ModelNotFound, errors.ModelNotAllowed)
_ON_USAGE = (*_KNOWN_CALLERS, errors.UnknownParameter, errors.InvalidValue, errors.RequestRateLimited)
_ON_EMBEDDINGS = tuple(kind for kind in TABLE if kind not in {errors.UnknownUrl, errors.MethodNotAllowed})

_DESCRIPTION = """\
OpenAI's embeddings API, in front of every model that this deployment serves: a client that works with OpenAI works here
by changing `base_url` and `api_key`. What the cache holds comes from there and costs nothing.

Every error has one shape, `{"error": {"message", "type", "param", "code"}}`, and its message says what to change. Any
other path is a 404 with the code `unknown_url`, any other method a 405 with `method_not_allowed` and `Allow`. What
takes GET takes HEAD, and doubled or trailing slashes are no other path.
"""


def document(asked_path: str) -> bytes:
    """Return the document as JSON, for whoever asked for it under this path: it says what stands in front."""
    base = asked_path.rstrip("/").removesuffix("/openapi.json").rstrip("/").removesuffix("/v1").strip("/")
    return orjson.dumps({**_document(), "servers": [{"url": f"/{quote(base)}"}]})


@cache
def _document() -> Node:
    return {
        "openapi": "3.1.1",
        "info": {"title": "Embedge", "version": "1", "description": _DESCRIPTION},
        "security": [{"token": []}],
        "paths": {
            "/v1/embeddings": {"post": _create_embeddings()},
            "/v1/models": {"get": _list_models()},
            "/v1/models/{model}": {"get": _retrieve_model()},
            "/v1/usage": {"get": _read_usage()},
            "/health": {"get": _health()},
            "/.well-known/jwks.json": {"get": _publish_keys()},
            "/openapi.json": {"get": _describe()},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": headers(),
            "schemas": {
                "CreateEmbeddingRequest": schemas.EMBEDDINGS_REQUEST,
                "CreateEmbeddingResponse": schemas.EMBEDDINGS_RESPONSE,
                "Model": schemas.MODEL,
                "ModelList": schemas.MODEL_LIST,
                "Usage": schemas.USAGE,
                "Error": schemas.ERROR,
            },
        },
    }


def _create_embeddings() -> Node:
    said = (*ON_EMBEDDINGS, *LIMITS)
    return {
        "operationId": "createEmbedding",
        "summary": "Embed texts",
        "parameters": [
            _attribution("header", "X-Bot-ID", "Which application asks: usage is recorded under its name."),
            _attribution("query", "ai_project_id", "For which project: usage is recorded under its name, too."),
        ],
        "requestBody": {
            "required": True,
            "description": f"At most {MAX_BODY_BYTES} bytes, also once `Content-Encoding: gzip` is inflated.",
            "content": {"application/json": {"schema": _named("CreateEmbeddingRequest")}},
        },
        "responses": {
            "200": answer("A vector for each input, in their order.", _named("CreateEmbeddingResponse"), said),
            **error_answers(_ON_EMBEDDINGS, said),
        },
    }


def _list_models() -> Node:
    good = answer("The models that this token may use.", _named("ModelList"))
    responses = {"200": good, **error_answers(_KNOWN_CALLERS)}
    return {"operationId": "listModels", "summary": "List models", "responses": responses}


def _retrieve_model() -> Node:
    said = "Any name of the model, its slashes as they are or as %2F."
    return {
        "operationId": "retrieveModel",
        "summary": "Describe one model",
        "parameters": [
            {"in": "path", "name": "model", "required": True, "schema": schemas.MODEL_ID, "description": said}
        ],
        "responses": {"200": answer("The model.", _named("Model")), **error_answers(_ON_ONE_MODEL)},
    }


def _read_usage() -> Node:
    day = schemas.string(format="date")
    parameters: dict[str, tuple[Node, str]] = {
        "days": (
            {"type": "integer", "minimum": 1, "maximum": LONGEST_DAYS, "default": USUAL_DAYS},
            "How many days back from `end`, itself included; instead of `start`.",
        ),
        "start": (day, f"The first day, in UTC; at most {LONGEST_DAYS} days are answered for."),
        "end": (day, "The last day, in UTC; today, where it is left out."),
        "group_by": (
            {"type": "array", "items": {"enum": list(GROUPS)}, "minItems": 1, "uniqueItems": True},
            "With commas between: adds `groups`, by all of these at once.",
        ),
    }
    said = (COST, *LIMITS)
    return {
        "operationId": "readUsage",
        "summary": "What was used, what it cost and what the cache saved, and what is left of each budget and rate",
        "parameters": [
            {"in": "query", "name": name, "schema": schema, "explode": False, "description": description}
            for name, (schema, description) in parameters.items()
        ],
        "responses": {
            "200": answer("The account of the caller's own tenant.", _named("Usage"), said),
            **error_answers(_ON_USAGE, said),
        },
    }


def _health() -> Node:
    good = answer("They can.", schemas.HEALTH)
    responses = {"200": good, **error_answers(_ANYBODY)}
    return {"operationId": "health", "summary": "Can requests be served?", "security": [], "responses": responses}


def _publish_keys() -> Node:
    good = answer("The keys that this deployment's own tokens are verified with.", schemas.KEY_SET)
    return {
        "operationId": "publishKeys",
        "summary": "Return the public keys, a JSON Web Key Set, also at /v1/.well-known/jwks.json",
        "security": [],
        "responses": {"200": good, **error_answers(_ANYBODY)},
    }


def _describe() -> Node:
    good = answer("An OpenAPI document.", {"type": "object"})
    responses = {"200": good, **error_answers([errors.AddressRateLimited])}
    return {
        "operationId": "describe",
        "summary": "Return this document, also at /v1/openapi.json",
        "security": [],
        "responses": responses,
    }


def _attribution(place: str, name: str, description: str) -> Node:
    return {"in": place, "name": name, "schema": schemas.ATTRIBUTION, "description": description}


def _named(schema: str) -> Node:
    return {"$ref": f"#/components/schemas/{schema}"}
