"""Where do names lead now? To the routes in the Control table, read again every 15 seconds, the last good ones kept."""

import asyncio
from collections.abc import Callable, Mapping

from embedge.core.route import Route
from embedge.core.route_document import parse_route
from embedge.core.routing import by_name
from embedge.errors import InvalidValue, ServiceUnavailable
from embedge.ports import Clock, ControlTable

ROUTES = "ROUTES"
_FRESH_S = 15
_LAST_GOOD_S = 86_400


class ControlRoutes:
    """The Routes port over the Control table."""

    def __init__(self, control: ControlTable, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take where routes are, the time, and whom to tell of a route that cannot be read."""
        self._control = control
        self._clock = clock
        self._on_fault = on_fault
        self._routes: Mapping[str, Route] = {}
        self._read_s = float("-inf")
        self._tried_s = float("-inf")
        self._reading = asyncio.Lock()

    async def current(self) -> Mapping[str, Route]:
        """Return every route by every name; at most a day old where the table cannot be read.

        Raises: ServiceUnavailable where there is nothing to fall back on.
        """
        if self._clock.now_s() - self._tried_s > _FRESH_S or self._are_too_old():
            await self._read()
            if self._are_too_old():
                raise ServiceUnavailable(
                    "Which models there are cannot be read just now. Please try again in a few seconds.",
                    retry_after_s=5,
                )
        return self._routes

    def _are_too_old(self) -> bool:
        return self._clock.now_s() - self._read_s > _LAST_GOOD_S

    async def _read(self) -> None:
        """Read the routes, or wait for who is doing so; a failure is everybody's who waited, and changes nothing."""
        seen = self._tried_s
        async with self._reading:
            if self._tried_s != seen:
                return
            now_s = self._clock.now_s()
            try:
                documents = await self._control.query(ROUTES)
            except ServiceUnavailable:
                self._on_fault("routes_stale")
            else:
                self._routes = by_name(route for text in documents.values() if (route := self._parsed(text)))
                self._read_s = now_s
            self._tried_s = now_s

    def _parsed(self, document: str) -> Route | None:
        try:
            return parse_route(document)
        except InvalidValue:
            self._on_fault("route_unreadable")
            return None
