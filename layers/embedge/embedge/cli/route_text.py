"""How do routes, and what is about to change of them, look on a terminal?"""

from collections.abc import Iterator, Mapping, Sequence

import click

from embedge.core.route import Route
from embedge.core.route_document import RouteDocument, read_route
from embedge.core.route_plan import Change, Plan, Step, printable
from embedge.core.space_check import Verdict, Watched, needs_check

_NANO = 10**9
_HEADS = ("ALIAS", "MODEL", "DIMENSIONS", "TARGETS", "USD PER MILLION", "VERIFIED")
_VERDICT_HEADS = ("TARGET", "DIMENSIONS", "LENGTH", "LEAST COSINE", "MS", "OK")


def plan_lines(planned: Plan) -> Iterator[str]:
    """Show a plan as Terraform does: + added, ~ changed, - removed, = unchanged; what wants a second look in red."""
    for step in planned.steps:
        yield _headed(step)
        yield from (f"    {_changed(change)}" for change in step.changes)
    counts = {sign: sum(_sign(step) == sign for step in planned.steps) for sign in "+~-"}
    if planned.unchanged:
        yield f"= {planned.unchanged} unchanged"
    yield f"Plan: {counts['+']} to add, {counts['~']} to change, {counts['-']} to remove."


def done_line(step: Step) -> str:
    """Say that a step was carried out."""
    return f"{'Applied' if step.document else 'Removed'} the route {step.alias}."


def route_table(documents: Mapping[str, str]) -> Iterator[str]:
    """Show a line for each route."""
    rows = [_row(alias, read_route(text)) for alias, text in sorted(documents.items())]
    return table(_HEADS, rows)


def outcome_lines(outcome: Watched) -> Iterator[str]:
    """Show what was found of one route, a line for each target, and below what is wrong."""
    yield click.style(outcome.alias, bold=True)
    yield from (f"  {line}" for line in table(_VERDICT_HEADS, [_verdict(verdict) for verdict in outcome.verdicts]))
    for verdict in outcome.verdicts:
        if verdict.problem:
            taken = ": taken out of service" if verdict.target in outcome.taken_out else ""
            yield click.style(f"  {verdict.target}: {printable(verdict.problem)}{taken}", fg="red")


def unverified_line(step: Step) -> str:
    """Say what it means that a step was carried out unseen."""
    return (
        f"Nobody has compared the targets of {step.alias}: if they are not one space, searches go wrong without an "
        f"error, and what is cached is spoilt. Compare them with: embedge routes verify {step.alias}"
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align columns."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _sign(step: Step) -> str:
    return "-" if step.document is None else "+" if step.seen is None else "~"


def _headed(step: Step) -> str:
    sign = _sign(step)
    colour = {"+": "green", "~": "yellow", "-": "red"}[sign]
    note = "  ← requests for it will be refused" if sign == "-" else ""
    return click.style(f"{sign} {step.alias}{note}", fg=colour, bold=True)


def _changed(change: Change) -> str:
    if change.before is None:
        line, colour = f"+ {change.field}: {change.after}", "green"
    elif change.after is None:
        line, colour = f"- {change.field}: {change.before}", "yellow"
    else:
        line, colour = f"~ {change.field}: {change.before} → {change.after}", "yellow"
    return click.style(
        f"{line}  ← {change.warning}" if change.warning else line, fg="red" if change.warning else colour
    )


def _row(alias: str, read: RouteDocument | object) -> tuple[str, ...]:
    if not isinstance(read, RouteDocument):
        return (alias, "cannot be read", "", "", "", "")
    route = read.route
    targets = ", ".join([*(target.id for target in route.targets), *(f"{name} (out)" for name in read.taken_out)])
    return (alias, route.space.model, str(route.space.dimensions), targets or "none", _price(route), _known(route))


def _known(route: Route) -> str:
    if len(route.targets) < 2:  # noqa: PLR2004 (one target is one space)
        return "one target"
    if route.verified and route.verified.forced:
        return f"forced {route.verified.at}"
    return "no" if needs_check(route) or route.verified is None else route.verified.at


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    return (
        verdict.target,
        "-" if verdict.dimensions is None else str(verdict.dimensions),
        "-" if verdict.length is None else f"{verdict.length:.4f}",
        "-" if verdict.least_cosine is None else f"{verdict.least_cosine:.6f}",
        f"{verdict.latency_ms:.0f}",
        "no" if verdict.problem else "yes",
    )


def _price(route: Route) -> str:
    prices = sorted({target.price_nano_usd_per_million_tokens for target in route.targets})
    return " to ".join(_usd(nano) for nano in dict.fromkeys((*prices[:1], *prices[-1:]))) or "none"


def _usd(nano: int) -> str:
    whole, part = divmod(nano, _NANO)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")
