"""How is the API reached over ASGI, on a laptop as on Lambda? Embeddings straight, all other calls through a framework.

In this order: which pages may read it, what all answers share, how often an address may ask, then the call itself.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from embedge.api.address_limit import AddressLimit
from embedge.api.embeddings_call import EmbeddingsCall
from embedge.api.envelope import Envelope, Underway
from embedge.api.faults import log_fault
from embedge.api.serving import Serving
from embedge.core.address_rate import AddressRates

# Requests that are cut off when the server stops settle first, and then the ledger gives back what is in the purses.
_LONGEST_END_S = 5.0


def create_app(serving: Serving, address_rates: AddressRates | None = None) -> Router:
    """Build the application. `address_rates`: what others beside it count by, too."""
    underway = Underway()

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        yield
        await underway.nobody(_LONGEST_END_S)
        await serving.close()

    calls: ASGIApp = EmbeddingsCall(_OtherCalls(serving), serving)
    if per_second := serving.requests_per_second_per_address:
        calls = AddressLimit(calls, address_rates or AddressRates(per_second), serving)
    enveloped = partial(Envelope, telemetry=serving.telemetry, underway=underway, on_fault=log_fault)
    calls = enveloped(calls)
    if serving.cors_origins:
        # Here, because nobody else needs it, and a start would pay.
        from embedge.api.cors import Cors  # noqa: PLC0415

        calls = Cors(calls, serving.cors_origins, enveloped)
    return Router(default=calls, lifespan=lifespan, redirect_slashes=False)


class _OtherCalls:
    """All other calls, loaded when one is first asked for: a start is not to pay for FastAPI."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from embedge.api.other_calls import other_calls  # noqa: PLC0415

            self._app = other_calls(self._serving)
        await self._app(scope, receive, send)
