"""What can go wrong, as one tree; `api.error_table` alone decides what a client sees of it.

EmbedgeError
├── AuthenticationFailed ── CredentialMissing, CredentialInvalid, CredentialExpired, CredentialRevoked
├── PermissionDenied ────── ScopeMissing, ModelNotAllowed
├── InvalidRequest ──────── InvalidJson, ParameterMissing, InvalidType, InvalidValue, EmptyArray, ArrayTooLong,
│                           UnknownParameter, UnsupportedParameter, ContextLengthExceeded, TooManyTokens,
│                           ModelNotEmbedding, RefusedByProvider, CallTooLarge
├── NotServed ───────────── AnswerElsewhere, ModelNotFound, UnknownUrl, MethodNotAllowed, RequestTooLarge,
│                           UnsupportedMediaType
├── LimitReached ────────── RateLimited (RequestRateLimited, TokenRateLimited), AddressRateLimited, BudgetSpent,
│                           PaymentRequired, TenantBlocked
├── UpstreamError ───────── UpstreamRejected, UpstreamInvalidResponse, UpstreamUnavailable, UpstreamCold,
│                           UpstreamTimeout, EmbeddingsNotAvailable
└── ServiceUnavailable

A message says what was wrong and what to do. It never repeats input text, tokens, keys or vectors.
"""


class EmbedgeError(Exception):
    """The root. `param` names the field that is to blame; `retry_after_s` is when trying again can help."""

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class AuthenticationFailed(EmbedgeError):
    """Nobody we know is asking."""


class CredentialMissing(AuthenticationFailed):
    """There is no bearer token."""


class CredentialInvalid(AuthenticationFailed):
    """The token is malformed, forged, or of another issuer or audience."""


class CredentialExpired(AuthenticationFailed):
    """The token was good once."""


class CredentialRevoked(AuthenticationFailed):
    """The token was good, and was taken back."""


class PermissionDenied(EmbedgeError):
    """We know who asks, and that it is not theirs to have."""


class ScopeMissing(PermissionDenied):
    """The token does not carry the scope that the call needs."""


class ModelNotAllowed(PermissionDenied):
    """The token does not name this model."""


class InvalidRequest(EmbedgeError):
    """The request cannot be served as it stands, whoever sends it."""


class InvalidJson(InvalidRequest):
    """The body is not a JSON object."""


class ParameterMissing(InvalidRequest):
    """A required field is not there."""


class InvalidType(InvalidRequest):
    """A field has a value of the wrong type."""


class InvalidValue(InvalidRequest):
    """A field has a value outside its range."""


class EmptyArray(InvalidRequest):
    """`input` is an array without elements."""


class ArrayTooLong(InvalidRequest):
    """`input` has more elements than a request may carry."""


class UnknownParameter(InvalidRequest):
    """A field that this API does not have."""


class UnsupportedParameter(InvalidRequest):
    """A field that this model does not support."""


class ContextLengthExceeded(InvalidRequest):
    """One input has more tokens than the model takes."""


class TooManyTokens(InvalidRequest):
    """The inputs together have more tokens than a request may carry."""


class ModelNotEmbedding(InvalidRequest):
    """The model exists and does not embed."""


class RefusedByProvider(InvalidRequest):
    """The provider's own 400 about the caller's input."""


class CallTooLarge(InvalidRequest):
    """The provider takes this input, or this many at once, in no call."""


class NotServed(EmbedgeError):
    """What was asked for is not here, or not in this form."""


class AnswerElsewhere(NotServed):
    """The answer is too large to be sent from here, and waits where the client can fetch it."""


class ModelNotFound(NotServed):
    """No route has this name."""


class UnknownUrl(NotServed):
    """No such path."""


class MethodNotAllowed(NotServed):
    """The path exists, for other methods."""


class RequestTooLarge(NotServed):
    """The body, or the answer that it asks for, is larger than can be carried."""


class UnsupportedMediaType(NotServed):
    """The body is not declared as JSON."""


class LimitReached(EmbedgeError):
    """The tenant has used what it may use for now."""


class RateLimited(LimitReached):
    """Too much in one minute: of `limit`, `remaining` are left now, and all of it is back in `reset_us`."""

    kind: str

    def __init__(
        self,
        message: str,
        *,
        limit: int = 0,
        remaining: int = 0,
        reset_us: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.limit = limit
        self.remaining = remaining
        self.reset_us = reset_us


class RequestRateLimited(RateLimited):
    """Too many requests a minute."""

    kind = "requests"


class TokenRateLimited(RateLimited):
    """Too many tokens a minute."""

    kind = "tokens"


class AddressRateLimited(LimitReached):
    """Too many requests a second from one address, whoever they are."""


class BudgetSpent(LimitReached):
    """The money of a period is gone."""


class PaymentRequired(LimitReached):
    """The money of a period is gone, where the deployment has a status of its own for that."""


class TenantBlocked(LimitReached):
    """The guard, or an operator, has stopped the tenant."""


class UpstreamError(EmbedgeError):
    """The provider did not give vectors."""


class UpstreamRejected(UpstreamError):
    """The provider refused us: our key, our quota."""


class UpstreamInvalidResponse(UpstreamError):
    """The provider answered nonsense, or not one vector for each input."""


class UpstreamUnavailable(UpstreamError):
    """The provider is down or busy."""


class UpstreamCold(UpstreamError):
    """The provider is still starting: scaling from zero, or loading its model."""


class UpstreamTimeout(UpstreamError):
    """The deadline passed before the provider answered."""


class EmbeddingsNotAvailable(UpstreamError):
    """The target has no embeddings endpoint."""


class ServiceUnavailable(EmbedgeError):
    """Our own ledger or routes are out of reach."""
