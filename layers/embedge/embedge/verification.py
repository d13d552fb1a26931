"""Do the targets of a route serve one space? Asked before it is written, at any time, and noted in its document."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from embedge.core.route import Route, Verified
from embedge.core.route_document import RouteDocument, read_route
from embedge.core.space_check import Watched, fingerprint, needs_check, to_take_out
from embedge.errors import EmbedgeError, InvalidValue
from embedge.ports import Clock, ControlTable, Probing

ROUTES = "ROUTES"
_LONGEST_REASON = 250


class Verification:
    """Probes routes, and keeps what it finds."""

    def __init__(self, control: ControlTable, probing: Probing, clock: Clock) -> None:
        """Take where routes are, who asks their targets, and the time."""
        self._control = control
        self._probing = probing
        self._clock = clock

    async def note(self, route: Route) -> Verified:
        """Return that the targets were compared just now. Raises: InvalidValue, naming what was wrong with each."""
        verdicts = await self._probing.probe(route)
        wrong = [f"  {verdict.target}: {verdict.problem}" for verdict in verdicts if verdict.problem]
        if wrong:
            raise InvalidValue(
                "\n".join((f"The targets of the route {route.alias} were not seen to serve one space:", *wrong))
            )
        return self._noted(route)

    def forced(self, route: Route) -> Verified:
        """Return that an operator took it on himself."""
        return replace(self._noted(route), forced=True)

    async def check(self, alias: str, seen: str, *, take_out: bool) -> Watched:
        """Compare the targets of a route, given by its document, and note it where they are one space.

        `take_out`: those that drift serve no longer, as long as another is left. Raises: InvalidValue, where the
        document is no route, or not what is there any more; ServiceUnavailable.
        """
        read = read_route(seen)
        if not isinstance(read, RouteDocument):
            raise InvalidValue(f"The route {alias} cannot be read. `embedge routes show {alias}` says why.")
        verdicts = await self._probing.probe(read.route)
        out = to_take_out(verdicts) if take_out else dict[str, str]()
        left = _without(read, {target: f"{why[:_LONGEST_REASON]} ({self._now()})" for target, why in out.items()})
        good = all(verdict.problem is None for verdict in verdicts if verdict.target not in out)
        news = good and needs_check(replace(left.route, verified=read.route.verified))
        if out or news:
            # What was known of all of them would be believed again as soon as one that was taken out is put back.
            document = left.noting(self._noted(left.route) if news else None)
            if not await self._control.replace(ROUTES, alias, seen, document):
                raise InvalidValue(f"The route {alias} was changed meanwhile: verify it again.")
        return Watched(alias, verdicts, tuple(out))

    async def watch(self) -> tuple[Watched, ...]:
        """Compare the targets of every route that has several, and take out those that drift.

        A route that cannot be compared keeps no other from it. Raises: ServiceUnavailable where none can be read.
        """
        documents = await self._control.query(ROUTES)
        several = [alias for alias, text in sorted(documents.items()) if _has_several(text)]
        return tuple([await self._watched(alias, documents[alias]) for alias in several])

    async def _watched(self, alias: str, seen: str) -> Watched:
        try:
            return await self.check(alias, seen, take_out=True)
        except EmbedgeError as error:
            return Watched(alias, error=error.message)

    def _noted(self, route: Route) -> Verified:
        return Verified(fingerprint(route), self._now())

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _has_several(text: str) -> bool:
    read = read_route(text)
    return isinstance(read, RouteDocument) and len(read.route.targets) > 1


def _without(document: RouteDocument, reasons: Mapping[str, str]) -> RouteDocument:
    """Return the document with these targets out of service; at least one other serves."""
    fields = cast("dict[str, list[dict[str, object]]]", json.loads(document.text))
    for target in fields.get("targets", []):
        reason = reasons.get(str(target["id"]))
        if reason is not None:
            target["disabled"] = reason
    left = read_route(json.dumps(fields))
    assert isinstance(left, RouteDocument)
    return left
