"""Which status, type and code does a client see for each error? One total table.

Source: the error objects of OpenAI's API (openai-openapi, read 2026-08), so that every SDK raises its own class.
"""

import math
from dataclasses import dataclass

import orjson

from embedge import errors
from embedge.errors import EmbedgeError


@dataclass(frozen=True, slots=True)
class Row:
    """`retry`: whether an SDK may try again by itself; where it must not, it is told so."""

    status: int
    type: str
    code: str | None
    retry: bool = True


_INVALID = "invalid_request_error"

TABLE: dict[type[EmbedgeError], Row] = {
    errors.CredentialMissing: Row(401, _INVALID, "missing_api_key"),
    errors.CredentialInvalid: Row(401, _INVALID, "invalid_api_key"),
    errors.CredentialExpired: Row(401, _INVALID, "token_expired"),
    errors.CredentialRevoked: Row(401, _INVALID, "token_revoked"),
    errors.ScopeMissing: Row(403, "permission_error", "insufficient_scope"),
    errors.ModelNotAllowed: Row(403, "permission_error", "model_not_allowed"),
    errors.InvalidJson: Row(400, _INVALID, "invalid_json"),
    errors.ParameterMissing: Row(400, _INVALID, "missing_required_parameter"),
    errors.InvalidType: Row(400, _INVALID, "invalid_type"),
    errors.InvalidValue: Row(400, _INVALID, "invalid_value"),
    errors.EmptyArray: Row(400, _INVALID, "empty_array"),
    errors.ArrayTooLong: Row(400, _INVALID, "array_above_max_length"),
    errors.UnknownParameter: Row(400, _INVALID, "unknown_parameter"),
    errors.UnsupportedParameter: Row(400, _INVALID, "unsupported_parameter"),
    errors.ContextLengthExceeded: Row(400, _INVALID, "context_length_exceeded"),
    errors.TooManyTokens: Row(400, "max_tokens_per_request", "max_tokens_per_request"),
    errors.ModelNotEmbedding: Row(400, _INVALID, "model_not_embedding"),
    errors.RefusedByProvider: Row(400, _INVALID, None),
    errors.CallTooLarge: Row(400, _INVALID, None),
    errors.AnswerElsewhere: Row(303, _INVALID, "answer_elsewhere", retry=False),
    errors.ModelNotFound: Row(404, _INVALID, "model_not_found"),
    errors.UnknownUrl: Row(404, _INVALID, "unknown_url"),
    errors.MethodNotAllowed: Row(405, _INVALID, "method_not_allowed"),
    errors.RequestTooLarge: Row(413, _INVALID, "request_too_large"),
    errors.UnsupportedMediaType: Row(415, _INVALID, "unsupported_media_type"),
    errors.RequestRateLimited: Row(429, "requests", "rate_limit_exceeded"),
    errors.TokenRateLimited: Row(429, "tokens", "rate_limit_exceeded"),
    errors.AddressRateLimited: Row(429, "requests", "rate_limit_exceeded"),
    errors.BudgetSpent: Row(429, "insufficient_quota", "insufficient_quota", retry=False),
    errors.PaymentRequired: Row(402, "insufficient_quota", "insufficient_quota", retry=False),
    errors.TenantBlocked: Row(429, "insufficient_quota", "tenant_blocked", retry=False),
    errors.UpstreamRejected: Row(502, "upstream_error", "upstream_rejected", retry=False),
    errors.UpstreamInvalidResponse: Row(502, "upstream_error", "upstream_invalid_response"),
    errors.UpstreamUnavailable: Row(503, "upstream_error", "upstream_unavailable"),
    errors.UpstreamCold: Row(503, "upstream_error", "upstream_unavailable"),
    errors.UpstreamTimeout: Row(504, "upstream_error", "upstream_timeout"),
    errors.EmbeddingsNotAvailable: Row(501, "not_implemented_error", "embeddings_not_available", retry=False),
    errors.ServiceUnavailable: Row(503, "server_error", "service_unavailable"),
}
OUR_FAULT = Row(500, "server_error", "internal_error")

_LONGEST_RETRY_S = 60
# What may be over by then. A 429 that does not know when will never be: the request itself asks for too much.
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it goes out."""

    status: int
    headers: dict[str, str]
    body: bytes


def error_answer(error: Exception, request_id: str) -> ErrorAnswer:
    """Return what a client sees of any error; of a fault of our own, the request's id and nothing else."""
    if isinstance(error, EmbedgeError):
        row = TABLE[type(error)]
        return ErrorAnswer(row.status, _headers(row, error.retry_after_s), _body(row, error.message, error.param))
    message = f"The server had an error while processing your request. Its id, for the operators: {request_id}"
    return ErrorAnswer(OUR_FAULT.status, {}, _body(OUR_FAULT, message, None))


def _body(row: Row, message: str, param: str | None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": row.type, "param": param, "code": row.code}})


def _headers(row: Row, retry_after_s: float | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if row.status == 401:  # noqa: PLR2004 (HTTP's own number)
        headers["www-authenticate"] = "Bearer"
    if not row.retry or row.status not in _PASSING or (row.status == 429 and retry_after_s is None):  # noqa: PLR2004
        return {**headers, "x-should-retry": "false"}
    wait_s = min(_LONGEST_RETRY_S, 1.0 if retry_after_s is None else retry_after_s)
    headers["retry-after"] = str(max(1, math.ceil(wait_s)))
    headers["retry-after-ms"] = str(max(1, math.ceil(wait_s * 1000)))
    return headers
