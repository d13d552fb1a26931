"""How do routes get into Control? As they were planned; what has changed meanwhile is never overwritten."""

from collections.abc import Mapping
from dataclasses import replace

from embedge.bootstrap.operating import Operation
from embedge.core.route_document import RouteDocument
from embedge.core.route_plan import Plan, Step, plan
from embedge.core.space_check import needs_check
from embedge.errors import EmbedgeError, InvalidValue
from embedge.verification import ROUTES, Verification


async def plan_routes(operation: Operation, wanted: Mapping[str, RouteDocument], *, prune: bool = False) -> Plan:
    """Compare what there is with what is wanted. Raises: InvalidValue where two routes would answer to one name."""
    return plan(await operation.control.query(ROUTES), wanted, prune=prune)


async def verified(operation: Operation, planned: Plan, *, force: bool) -> Plan:
    """Compare the targets of each route that has several, where nobody has yet; `force` only notes that nobody did.

    Raises: InvalidValue where they were not seen to serve one space.
    """
    verification = Verification(operation.control, operation.probing, operation.clock)
    return replace(planned, steps=tuple([await _verified(verification, step, force=force) for step in planned.steps]))


async def _verified(verification: Verification, step: Step, *, force: bool) -> Step:
    if step.document is None:
        return step
    route = replace(step.document.route, verified=step.verified)
    if not needs_check(route):
        return step if len(route.targets) > 1 else replace(step, verified=None)
    noted = verification.forced(route) if force else await verification.note(route)
    return replace(step, verified=noted)


async def carry_out(operation: Operation, planned: Plan) -> None:
    """Write the plan, one route after the other.

    Raises: EmbedgeError, naming what was written before, where a route is not what it was when this was planned, or
    Control is out of reach.
    """
    written: list[str] = []
    for step in planned.steps:
        document = step.document and step.document.noting(step.verified)
        try:
            if not await operation.control.replace(ROUTES, step.alias, step.seen, document):
                raise InvalidValue(f"The route {step.alias} was changed meanwhile: run `embedge routes plan` again.")
        except EmbedgeError as error:
            so_far = ", ".join(written) or "nothing"
            raise EmbedgeError(f"{error.message} Already written: {so_far}.") from error
        written.append(step.alias)
