"""May this address ask once more just now? ASGI middleware; a token that no rate binds passes however often it comes.

The address is the one that the connection comes from, or that API Gateway has seen; never one that a header names.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from embedge.api.address_refusal import is_exempt, too_often
from embedge.api.received_body import receive as receive_body
from embedge.core.address_rate import AddressRates
from embedge.errors import EmbedgeError
from embedge.ports import Authenticator, Clock


@dataclass(frozen=True, slots=True)
class AddressLimit:
    """Who is counted, by what clock, whose tokens are looked at, and how an error is answered."""

    app: ASGIApp
    per_second: int
    rates: AddressRates
    clock: Clock
    authenticator: Authenticator
    refuse: Callable[[Request, Exception], Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 429."""
        if scope["type"] == "http":
            wait_us = self.rates.wait_us(address_of(scope), int(self.clock.now_s() * 1_000_000))
            request = Request(scope, receive)
            if wait_us and not await is_exempt(request.headers.get("authorization"), self.authenticator):
                with suppress(EmbedgeError):
                    await receive_body(request)  # who still sends would not see the answer
                answer = await self.refuse(request, too_often(self.per_second, wait_us))
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def address_of(scope: Scope) -> str:
    """Return where a request comes from."""
    event: Any = scope.get("aws.event")
    if event is not None:
        return str(event.get("requestContext", {}).get("identity", {}).get("sourceIp", ""))
    client = scope.get("client")
    return str(client[0]) if client else ""
