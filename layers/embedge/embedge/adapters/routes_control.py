"""Where do names lead now? To the routes in the Control table, read again every 15 seconds, the last good ones kept."""

from collections.abc import Callable, Mapping

from embedge.adapters.kept_partition import KeptPartition, Partition
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
        self._on_fault = on_fault
        self._parsed: dict[str, Route | None] = {}
        self._kept = KeptPartition(control, Partition(ROUTES, self._made_of, _LAST_GOOD_S), clock, on_fault)

    async def current(self) -> Mapping[str, Route]:
        """Return every route by every name; at most a day old where the table cannot be read.

        Raises: ServiceUnavailable where there is nothing to fall back on.
        """
        if self._kept.is_due(_FRESH_S):
            await self._kept.read()
            if self._kept.is_too_old():
                raise ServiceUnavailable(
                    "Which models there are cannot be read just now. Please try again in a few seconds.",
                    retry_after_s=5,
                )
        return self._kept.value

    def _made_of(self, documents: Mapping[str, str]) -> Mapping[str, Route]:
        # Nearly all are as they were 15 seconds ago; parsing 10,000 of them anew would hold every request up for 0.4 s.
        known = self._parsed
        self._parsed = {text: known.get(text) or self._parse(text) for text in documents.values()}
        return by_name(route for route in self._parsed.values() if route is not None)

    def _parse(self, document: str) -> Route | None:
        try:
            return parse_route(document)
        except InvalidValue:
            self._on_fault("route_unreadable")
            return None
