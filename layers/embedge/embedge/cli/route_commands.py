"""How does an operator handle the models that callers may name? `routes plan, apply, list, show, delete, verify`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.route_applying import carry_out, plan_routes, verified
from embedge.cli.route_files import routes_in
from embedge.cli.route_text import done_line, outcome_lines, plan_lines, route_table, unverified_line
from embedge.cli.running import Place, run
from embedge.cli.yaml_lines import write_yaml
from embedge.core.route_document import RouteDocument, read_route
from embedge.core.route_plan import Plan, Step
from embedge.core.space_check import Watched
from embedge.errors import InvalidValue
from embedge.verification import ROUTES, Verification

_CHANGES_STATUS = 2
_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
_ONLY = click.option("--only", multiple=True, metavar="ALIAS", help="Take this route of the files, and no other.")
_PRUNE = click.option("--prune", is_flag=True, help="Remove the routes that no file names.")


@click.group()
def routes() -> None:
    """Handle the models that callers may name."""


@routes.command("plan")
@_FILES
@_ONLY
@_PRUNE
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit with 2 if anything would change.")
@click.pass_obj
def routes_plan(place: Place, files: tuple[Path, ...], *, only: tuple[str, ...], prune: bool, detailed: bool) -> None:
    """Show what applying these files would change, and change nothing."""
    wanted = _wanted(files, only, prune=prune)

    async def planned(operation: Operation) -> Plan:
        return await plan_routes(operation, wanted(), prune=prune)

    found = run(place, planned)
    for line in plan_lines(found):
        click.echo(line)
    if detailed and found.steps:
        raise SystemExit(_CHANGES_STATUS)


@routes.command("apply")
@_FILES
@_ONLY
@_PRUNE
@click.option("--force", is_flag=True, help="Write routes of several targets without comparing those.")
@click.pass_obj
def routes_apply(place: Place, files: tuple[Path, ...], *, only: tuple[str, ...], prune: bool, force: bool) -> None:
    """Write the routes of these files. All are checked, and their targets compared, before the first is written."""
    wanted = _wanted(files, only, prune=prune)

    async def applied(operation: Operation) -> Plan:
        planned = await plan_routes(operation, wanted(), prune=prune)
        planned = await verified(operation, planned, force=force)
        await carry_out(operation, planned)
        return planned

    done = run(place, applied)
    for step in done.steps:
        click.echo(done_line(step))
        if step.verified and step.verified.forced:
            click.echo(unverified_line(step), err=True)
    if not done.steps:
        click.echo(f"Nothing to do: {done.unchanged} unchanged.")


@routes.command("list")
@click.pass_obj
def routes_list(place: Place) -> None:
    """Show every route in one line."""
    for line in route_table(run(place, _documents)):
        click.echo(line)


@routes.command("show")
@click.argument("alias")
@click.pass_obj
def routes_show(place: Place, alias: str) -> None:
    """Print a route as YAML that `apply` takes back."""
    read = read_route(_one(place, alias))
    if not isinstance(read, RouteDocument):
        wrong = "\n".join(map(str, read))
        raise click.ClickException(f"The route {alias} cannot be read. Apply it anew, or delete it.\n{wrong}")
    click.echo(write_yaml(json.loads(read.text)), nl=False)


@routes.command("delete")
@click.argument("alias")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def routes_delete(place: Place, alias: str, *, yes: bool) -> None:
    """Remove a route: requests for it will be refused."""
    step = Step(alias, _one(place, alias), None, ())
    if not yes:
        click.confirm(f"Remove the route {alias}? Requests for it will be refused.", abort=True)
    run(place, lambda operation: carry_out(operation, Plan((step,), 0)))
    click.echo(done_line(step))


@routes.command("verify")
@click.argument("aliases", nargs=-1)
@click.option("--take-out", is_flag=True, help="Take targets that drift out of service, as long as another is left.")
@click.pass_obj
def routes_verify(place: Place, aliases: tuple[str, ...], *, take_out: bool) -> None:
    """Ask every target of these routes (of all, if none is named) for the same texts, and compare."""

    async def verify(operation: Operation) -> list[Watched]:
        documents = await _documents(operation)
        if missing := [alias for alias in aliases if alias not in documents]:
            raise InvalidValue(_no_route(missing[0], documents))
        verification = Verification(operation.control, operation.probing, operation.clock)
        return [
            await verification.check(alias, documents[alias], take_out=take_out)
            for alias in aliases or sorted(documents)
        ]

    outcomes = run(place, verify)
    for outcome in outcomes:
        for line in outcome_lines(outcome):
            click.echo(line)
    if not all(outcome.is_good() for outcome in outcomes):
        raise SystemExit(1)


def _wanted(files: tuple[Path, ...], only: tuple[str, ...], *, prune: bool) -> Callable[[], dict[str, RouteDocument]]:
    """Return what reads the files, within `run`, which says on one line what is wrong with them."""
    if only and prune:
        raise click.UsageError("--prune would remove every route that --only leaves out: use one of them.")
    contents = {str(file): file.read_bytes() for file in files}
    return lambda: routes_in(contents, only)


def _one(place: Place, alias: str) -> str:
    """Return a route's document as it is in Control."""
    documents = run(place, _documents)
    if alias not in documents:
        raise click.ClickException(_no_route(alias, documents))
    return documents[alias]


def _no_route(name: str, documents: Mapping[str, str]) -> str:
    """Say that it is no alias, and whose name it is where callers may use it."""
    for alias, document in sorted(documents.items()):
        read = read_route(document)
        if isinstance(read, RouteDocument) and name in read.route.answers_to():
            return f"{name} is a name of the route {alias}. Use its alias: {alias}"
    return f"There is no route {name}. `embedge routes list` shows those that there are."


async def _documents(operation: Operation) -> dict[str, str]:
    return dict(await operation.control.query(ROUTES))
