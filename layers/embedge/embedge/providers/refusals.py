"""What does a refusal mean? Its status says, and where that says too little, the server's own words do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from embedge.errors import (
    CallTooLarge,
    EmbeddingsNotAvailable,
    EmbedgeError,
    RefusedByProvider,
    UpstreamCold,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamUnavailable,
)
from embedge.ports import WireResponse
from embedge.providers.base import json_of

_LONGEST_MESSAGE = 300
_LONGEST_WAIT_S = 60.0
# By how it begins, or, as those of Azure and Cohere, by its length alone.
_LOOKS_LIKE_A_KEY = re.compile(r"\S*(?:sk-|hf_|jina_|Bearer |AKIA|eyJ|[\w-]{32})\S*", re.IGNORECASE)

# What servers say where a status alone says too little; most of it stands in golden samples, with its source.
_TOO_MUCH_AT_ONCE = re.compile(
    r"batch size|max(?:imum)? batch|tokens (?:in|per) (?:submitted )?batch|tokens per request|array (?:too long|length)"
    r"|too many inputs|number of (?:texts|inputs)|largest allowed size|payload size|too large|at most \d+ items",
    re.IGNORECASE,
)
# A 503 alone does not say so: vendors answer it when they have too much to do, and waiting for that would be in vain.
_STARTING = re.compile(
    r"\bloading\b|not ready|starting up|warming up|\binitiali[sz]ing\b|scal(?:ed to|ing from) zero", re.IGNORECASE
)
_NO_EMBEDDINGS = re.compile(r"not support embeddings", re.IGNORECASE)
_QUOTA_SPENT = re.compile(r"insufficient_quota|insufficient (?:account )?balance|service quota", re.IGNORECASE)
_MISCONFIGURED = re.compile(
    r"model identifier is invalid|model '[^']*' not found|not supported by our api|on-demand throughput", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a server says of its refusal, empty where it says nothing: as much of its message as is ever looked at."""

    message: str
    code: str


def meaning_of(response: WireResponse) -> EmbedgeError:
    """Translate any status but a 2xx. What concerns the caller's input repeats a part of the server's message."""
    said = _said(response.body)
    return (
        _about_our_account(response.status, said)
        or _about_the_input(response.status, said)
        or _about_the_server(response, said)
    )


def _about_our_account(status: int, said: _Said) -> EmbedgeError | None:
    """Return what only the deployment's operators can mend, though a status may blame the caller or the hour."""
    match status:
        case 402:
            return _quota_spent()
        case 400 | 403 | 429 if _QUOTA_SPENT.search(f"{said.code} {said.message}"):
            return _quota_spent()
        case 501:
            return _no_embeddings()
        case 400 if _NO_EMBEDDINGS.search(said.message):
            return _no_embeddings()
        case 400 if _MISCONFIGURED.search(said.message):
            return _our_fault(status)
        case _:
            return None


def _about_the_input(status: int, said: _Said) -> EmbedgeError | None:
    reason = _passed_on(said.message)
    match status:
        case 413:
            return _too_much(reason)
        case 400 | 422 if _TOO_MUCH_AT_ONCE.search(said.message):
            return _too_much(reason)
        case 400 | 422:
            return RefusedByProvider(f"The model's provider refused this input: {reason}", param="input")
        case _:
            return None


def _about_the_server(response: WireResponse, said: _Said) -> EmbedgeError:
    wait_s = _retry_after_s(response.headers)
    match response.status:
        case 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529 if _STARTING.search(said.message):
            return _cold(wait_s)
        case 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529:
            return UpstreamUnavailable(
                "The model's provider is busy or down. Please try again shortly.", retry_after_s=wait_s
            )
        case _:
            return _our_fault(response.status)


def _too_much(reason: str) -> CallTooLarge:
    return CallTooLarge(f"The model's provider finds this input too large: {reason}", param="input")


def _no_embeddings() -> EmbeddingsNotAvailable:
    return EmbeddingsNotAvailable("This model's server has no embeddings endpoint. Tell its operators.")


def _cold(wait_s: float) -> UpstreamCold:
    return UpstreamCold(
        "The model's provider is starting. Please try again shortly.",
        retry_after_s=wait_s,
    )


def _quota_spent() -> UpstreamRejected:
    return UpstreamRejected("The deployment's quota at the model's provider is spent. Tell its operators.")


def _our_fault(status: int) -> UpstreamRejected:
    return UpstreamRejected(
        f"The model's provider refused our call (status {status}). "
        "This is the deployment's fault, not yours: tell its operators."
    )


def _said(body: bytes) -> _Said:
    """Read a refusal wherever it stands.

    An object under `error` (OpenAI) or `detail` (Jina), there as a mere message (TEI, Ollama; Voyage) or as a list of
    what is wrong (FastAPI's servers), or the document itself (Cohere, Bedrock, SiliconFlow, TEI's OpenAI-compatible
    route).
    """
    try:
        refusal = json_of(body)
    except UpstreamInvalidResponse:  # an error page may be anything: only the status counts then
        return _Said("", "")
    if isinstance(refusal, Mapping):
        document = cast("Mapping[str, object]", refusal)
        refusal = document.get("error", document.get("detail", document))
    fields = _fields(refusal)
    message, code = fields.get("message", fields.get("msg")), fields.get("code")
    # Cut first: no pattern is worth the time that an endless message takes.
    return _Said(message[:_LONGEST_MESSAGE] if isinstance(message, str) else "", code if isinstance(code, str) else "")


def _fields(refusal: object) -> Mapping[str, object]:
    """Return what a refusal has: of a list the first one's, and a mere message as what it is."""
    several = cast("list[object]", refusal) if isinstance(refusal, list) else [refusal]
    one = several[0] if several else None
    return cast("Mapping[str, object]", one) if isinstance(one, Mapping) else {"message": one}


def _passed_on(message: str) -> str:
    """Return what may be passed on of a provider's message: nothing that looks like a key."""
    return _LOOKS_LIKE_A_KEY.sub("…", message or "it gave no reason.")


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how long the server asks us to wait, in seconds; 0 where it does not say."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(_LONGEST_WAIT_S, max(0.0, float(headers[name]) * unit_s))
        except (KeyError, ValueError):
            continue
    return 0.0
