"""Who answers the events of a REST API? Embeddings the lane does, all else Mangum over the whole application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedge.api.faults import log_fault
from embedge.api.lane import Lane
from embedge.core.address_rate import AddressRates

if TYPE_CHECKING:
    import asyncio

    from mangum import Mangum
    from mangum.types import LambdaContext

    from embedge.api.answer import JsonPieces
    from embedge.api.serving import Serving


class EventAnswers:
    """Answers each event on one loop; nothing is connected before it is needed."""

    def __init__(self, serving: Serving, loop: asyncio.AbstractEventLoop) -> None:
        """Take what the API stands on, and the clients' loop."""
        self.serving = serving
        self._loop = loop
        per_second = serving.requests_per_second_per_address
        self._rates = AddressRates(per_second) if per_second else None
        self._lane = Lane(serving, self._rates, loop, log_fault)
        self._adapter: Mangum | None = None

    def answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | JsonPieces:
        """Return what Lambda is to return, as JSON or to be made JSON of."""
        answer = self._lane.answer(event, context)
        return self._whole()(event, context) if answer is None else answer

    def end(self) -> tuple[object, ...]:
        """Give back what is held, close every connection, and return what only one process may have."""
        self._loop.run_until_complete(self.serving.close())
        services = self.serving.services
        return services.ledger, services.authenticator, services.routes, services.usage, services.upstreams

    def _whole(self) -> Mangum:
        """Return the whole application, loaded when something else than embeddings is asked for."""
        if self._adapter is None:
            from mangum import Mangum  # noqa: PLC0415 (a start is not to pay for it)

            from embedge.api.app import create_app  # noqa: PLC0415 (nor for FastAPI)

            self._adapter = Mangum(create_app(self.serving, self._rates), lifespan="off")
        return self._adapter
