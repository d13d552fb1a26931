"""How does an operator say who else may sign tokens? `issuer put, list, show, delete`."""

import json
from pathlib import Path

import click

from embedge import tenancy
from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.yaml_lines import read_yaml, write_yaml
from embedge.core.issuer import ISSUERS, Issuer
from embedge.core.issuer_document import issuer_text, parse_issuer
from embedge.errors import EmbedgeError, InvalidValue


@click.group()
def issuer() -> None:
    """Say whose tokens are believed beside the team's own, and how far. Every process hears of it within 30 seconds."""


@issuer.command("put")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def issuer_put(place: Place, name: str, file: Path) -> None:
    """Believe the issuer that a YAML or JSON file describes, in the place of one of that name."""
    content = file.read_bytes()

    async def put(operation: Operation) -> Issuer:
        text = issuer_text(name, json.dumps(read_yaml(str(file), content).value))
        wanted = parse_issuer(name, text)
        there = dict(await operation.control.query(ISSUERS))
        same = [other for other, document in there.items() if other != name and _iss(other, document) == wanted.issuer]
        if same or wanted.issuer == operation.issuer:
            raise InvalidValue(f"issuer: {same[0] if same else 'own'} has the same; a token must lead to one of them")
        await _exchange(operation, name, there.get(name), text)
        return wanted

    click.echo(f"{name} may sign tokens now: {_one_line(run(place, put))}")


@issuer.command("list")
@click.pass_obj
def issuer_list(place: Place) -> None:
    """Show every issuer in one line."""
    documents = run(place, _documents)
    for name, text in sorted(documents.items()):
        try:
            click.echo(f"{name}  {_one_line(parse_issuer(name, text))}")
        except InvalidValue:
            click.echo(f"{name}  cannot be read, and is not believed")


@issuer.command("show")
@click.argument("name")
@click.pass_obj
def issuer_show(place: Place, name: str) -> None:
    """Print an issuer as YAML that `put` takes back."""
    click.echo(write_yaml(json.loads(_one(place, name))), nl=False)


@issuer.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def issuer_delete(place: Place, name: str, *, yes: bool) -> None:
    """Believe an issuer no longer: all of its tokens are refused."""
    seen = _one(place, name)
    if not yes:
        click.confirm(f"Believe {name} no longer? All of its tokens will be refused.", abort=True)
    run(place, lambda operation: _exchange(operation, name, seen, None))
    click.echo(f"{name} is not believed any more.")


async def _exchange(operation: Operation, name: str, seen: str | None, text: str | None) -> None:
    if not await operation.control.replace(ISSUERS, name, seen, text):
        raise EmbedgeError(f"Somebody else has just changed {name}. Look at it, and try again.")
    await tenancy.announce(operation.control, ISSUERS)


def _one(place: Place, name: str) -> str:
    documents = run(place, _documents)
    if name not in documents:
        raise click.ClickException(f"There is no issuer {name}. `embedge issuer list` shows those that there are.")
    return documents[name]


async def _documents(operation: Operation) -> dict[str, str]:
    return dict(await operation.control.query(ISSUERS))


def _iss(name: str, document: str) -> str | None:
    try:
        return parse_issuer(name, document).issuer
    except InvalidValue:
        return None


def _one_line(issuer: Issuer) -> str:
    tenants = ", ".join(f"{issuer.tenant_prefix}…" if pattern == "*" else pattern for pattern in issuer.tenants)
    scopes = " ".join(sorted(issuer.scopes)) or "none"
    exempt = ", and exemptions from rates" if issuer.may_exempt else ""
    return f"{issuer.issuer}, tenants {tenants}, scopes {scopes}{exempt}"
