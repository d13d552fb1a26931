"""How does the doctor ask the router? Over HTTP, as any client does, with a token of a minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import httpx

from embedge.core.findings import Finding

_LONGEST_S = 60.0
_CONNECT_S = 5.0

# What to do where the router itself refuses; its words are for callers.
_MENDS = {
    "invalid_api_key": "publish the key with `embedge keys init`, wait half a minute, and compare issuer and audience",
    "token_expired": "set this machine's clock, or the router's",
    "insufficient_scope": "let the issuer's configuration grant the scopes embeddings, models and usage",
    "model_not_allowed": "let the issuer's configuration grant every model",
    "model_not_found": "the router has not read this route yet: wait half a minute",
    "tenant_blocked": "let it in with `embedge tenant unblock`, or ask as another with --tenant",
    "insufficient_quota": "raise its budget with `embedge tenant put`; a restored ledger is closed until it is rebuilt",
    "rate_limit_exceeded": "wait, or raise its rates with `embedge tenant put`",
    "upstream_rejected": "look at the target's secret, and at what the provider allows this key",
    "upstream_unavailable": "look at the target above, and at the provider's status page",
    "upstream_timeout": "look at the target above, and at its read_timeout_s",
    "upstream_invalid_response": "look at the target above: it does not speak its wire format",
    "service_unavailable": "look at the target's secret, at DynamoDB, at the router's rights, and at its log",
}
_OTHERWISE = "look for the request in the function's log by its id"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: its document is empty where it was no JSON object."""

    status: int
    headers: Mapping[str, str]
    document: Mapping[str, Any]
    took_ms: float

    def is_good(self) -> bool:
        """Tell whether it is what was asked for."""
        return self.status == 200  # noqa: PLR2004 (HTTP's own number)

    def refusal(self, check: str, what: str) -> Finding:
        """Return what a refusal means."""
        error = cast("Mapping[str, Any]", self.document.get("error") or {})
        code = str(error.get("code"))
        said = str(error.get("message", "an answer that is not ours"))
        request_id = self.headers.get("x-request-id", "none")
        mend = f"{_MENDS.get(code, _OTHERWISE)} (x-request-id {request_id})"
        return Finding(check, "fail", f"{what}: {self.status} {code}: {said}", mend)


class Unreached(Exception):
    """Nobody answered; the message says what was met."""


class Router:
    """A router at a base URL that ends in `/v1`."""

    def __init__(self, base: str, token: str | None) -> None:
        """Take where it is, and the token, None where there is none."""
        self.base = base.rstrip("/")
        self.has_token = token is not None
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            headers={**headers, "X-Bot-ID": "embedge-doctor"}, timeout=httpx.Timeout(_LONGEST_S, connect=_CONNECT_S)
        )

    async def get(self, path: str) -> Answer:
        """Read a path under the base. Raises: Unreached."""
        return await self._send("GET", path, None)

    async def embed(self, model: str, text: str) -> Answer:
        """Have a text embedded. Raises: Unreached."""
        return await self._send("POST", "/embeddings", {"model": model, "input": text, "encoding_format": "float"})

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, body: Mapping[str, str] | None) -> Answer:
        began_s = perf_counter()
        url = f"{self.base.removesuffix('/v1') if path == '/health' else self.base}{path}"
        try:
            response = await self._client.request(method, url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreached(f"{url} cannot be reached: {type(error).__name__} {error}".rstrip()) from error
        took_ms = 1000 * (perf_counter() - began_s)
        try:
            read: object = response.json()
        except ValueError:
            read = None
        document = cast("Mapping[str, Any]", read if isinstance(read, dict) else {})
        return Answer(response.status_code, response.headers, document, took_ms)
