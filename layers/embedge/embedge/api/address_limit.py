"""May this address ask once more just now? ASGI middleware; a token that no rate binds passes however often it comes.

The address is the one that the connection comes from, or that API Gateway has seen; never one that a header names.
"""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from embedge.api.address_refusal import is_exempt, too_often
from embedge.api.embeddings import refused
from embedge.api.envelope import OBSERVATION, REQUEST_ID
from embedge.api.receiving import read_headers, receive_body
from embedge.api.sending import send_answer
from embedge.api.serving import Serving
from embedge.core.address_rate import AddressRates


class AddressLimit:
    """ASGI middleware, inside of the envelope."""

    def __init__(self, app: ASGIApp, rates: AddressRates, serving: Serving) -> None:
        """Take what is inside, how often each address has asked, and the clock and the tokens of what is served."""
        self._app = app
        self._rates = rates
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 429."""
        if scope["type"] == "http" and (wait_us := await self._wait_us(scope)):
            await receive_body(scope, read_headers(scope), receive)  # who still sends would not see the answer
            error = too_often(self._serving.requests_per_second_per_address, wait_us)
            answer = refused(error, scope[REQUEST_ID], scope[OBSERVATION])
            await send_answer(answer.status, answer.headers, answer.body(), send)
            return
        await self._app(scope, receive, send)

    async def _wait_us(self, scope: Scope) -> int:
        """Return for how long a request is too early, 0 where it may pass."""
        wait_us = self._rates.wait_us(address_of(scope), int(self._serving.clock.now_s() * 1_000_000))
        authenticator = self._serving.services.authenticator
        passes = not wait_us or await is_exempt(read_headers(scope).get("authorization"), authenticator)
        return 0 if passes else wait_us


def address_of(scope: Scope) -> str:
    """Return where a request comes from."""
    event: Any = scope.get("aws.event")
    if event is not None:
        return str(event.get("requestContext", {}).get("identity", {}).get("sourceIp", ""))
    client = scope.get("client")
    return str(client[0]) if client else ""
