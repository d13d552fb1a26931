"""Whose is the route that a deployment writes? The deployment's, until an operator has changed it."""

from embedge.core.route_document import RouteDocument, read_route
from embedge.core.route_plan import plan
from embedge.errors import EmbedgeError, InvalidValue
from embedge.ports import ControlTable
from embedge.verification import ROUTES


def deployed(text: str) -> RouteDocument:
    """Return the route that a deployment gives as a JSON document. Raises: InvalidValue, with all that is wrong."""
    read = read_route(text)
    if not isinstance(read, RouteDocument):
        raise InvalidValue(f"The route cannot be read: {'; '.join(map(str, read))}")
    return read


async def exchange(control: ControlTable, before: RouteDocument | None, after: RouteDocument | None) -> bool:
    """Put a deployment's route in the place of the one that it wrote before; return whether it is as wanted now.

    None: there is none before, or there is to be none after. What an operator has written or changed meanwhile stays.
    A second time, as CloudFormation may ask, changes nothing. Raises: InvalidValue where another route answers to a
    name of it; ServiceUnavailable.
    """
    document = after or before
    if document is None:
        raise EmbedgeError("There is no route to write.")
    seen = await control.query(ROUTES)
    if after is not None:
        plan(seen, {after.route.alias: after}, prune=False)
    there = seen.get(document.route.alias)
    if _normal(there) == _normal_of(after):
        return True
    if _normal(there) != _normal_of(before):
        return False
    return await control.replace(ROUTES, document.route.alias, there, after.noting(None) if after else None)


def _normal(text: str | None) -> str | None:
    """Return the form in which documents compare; one that is no route compares with none."""
    read = read_route(text) if text is not None else None
    return read.text if isinstance(read, RouteDocument) else text


def _normal_of(document: RouteDocument | None) -> str | None:
    return document.text if document else None
