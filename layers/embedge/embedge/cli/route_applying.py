"""How do routes get into Control? As they were planned; what has changed meanwhile is never overwritten."""

from collections.abc import Mapping

from embedge.bootstrap import Operation
from embedge.core.route_document import RouteDocument
from embedge.core.route_plan import Plan, plan
from embedge.errors import EmbedgeError, InvalidValue

ROUTES = "ROUTES"


async def plan_routes(operation: Operation, wanted: Mapping[str, RouteDocument], *, prune: bool = False) -> Plan:
    """Compare what there is with what is wanted. Raises: InvalidValue where two routes would answer to one name."""
    return plan(await operation.control.query(ROUTES), wanted, prune=prune)


async def carry_out(operation: Operation, planned: Plan) -> None:
    """Write the plan, one route after the other.

    Raises: InvalidValue, naming what was written before, where a route is not what it was when this was planned;
    ServiceUnavailable.
    """
    written: list[str] = []
    for step in planned.steps:
        document = step.document and step.document.noting(step.verified)
        try:
            if not await operation.control.replace(ROUTES, step.alias, step.seen, document):
                raise InvalidValue(f"The route {step.alias} was changed meanwhile: run `embedge routes plan` again.")
        except EmbedgeError as error:
            error.message += f" Already written: {', '.join(written) or 'nothing'}."
            raise
        written.append(step.alias)
