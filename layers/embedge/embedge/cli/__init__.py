"""What can an operator do? `keys init`, `token mint`, `routes apply`, on this machine or on a deployed stack."""

import asyncio
import os
import sqlite3
import uuid
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from embedge.bootstrap import Operation, operate_folder, operate_stack
from embedge.cli.signing import key_pair, new_key_pair, sign
from embedge.core.identity import ISSUED_SCOPES, LONGEST_TOKEN, TENANT, Grant
from embedge.core.request import Scope
from embedge.core.route_document import parse_route
from embedge.errors import EmbedgeError, InvalidValue
from embedge.settings import Settings

_DAY_S = 86_400
_Result = TypeVar("_Result")
_Place = tuple[str | None, Path]
_SCOPE = click.Choice(get_args(Scope))


@click.group()
@click.option("--stack", envvar="EMBEDGE_STACK", help="A deployed stack's name. Without it: this folder's own state.")
@click.option(
    "--state",
    envvar="EMBEDGE_STATE",
    default=".embedge",
    show_default=True,
    help="Where `make run` keeps its state.",
)
@click.version_option(package_name="embedge")
@click.pass_context
def main(context: click.Context, stack: str | None, state: str) -> None:
    """Operate Embedge, an embeddings router in your own AWS account."""
    os.umask(0o077)  # keys and state are their owner's alone
    context.obj = (stack, Path(state))


@main.group()
def keys() -> None:
    """Handle the keys that sign tokens."""


@keys.command("init")
@click.pass_obj
def keys_init(place: _Place) -> None:
    """Make the signing key, and publish its public part. Does nothing where there is one."""
    kid, made = _run(place, init_keys)
    click.echo(f"{'Made' if made else 'Kept'} the signing key {kid}.")


@main.group()
def token() -> None:
    """Handle the tokens that callers send."""


@token.command("mint")
@click.option("--tenant", default="default", show_default=True, help="Whose token it is.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=_SCOPE,
    default=ISSUED_SCOPES,
    show_default=True,
    help="What it may do.",
)
@click.option("--model", "models", multiple=True, default=("*",), show_default=True, help="Patterns of models.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How long it is valid.")
@click.pass_obj
def token_mint(place: _Place, tenant: str, scopes: tuple[str, ...], models: tuple[str, ...], days: int) -> None:
    """Print a token, and nothing else."""

    async def minted(operation: Operation) -> str:
        return await mint(operation, tenant=tenant, scopes=scopes, models=models, lifetime_s=days * _DAY_S)

    click.echo(_run(place, minted))


@main.group()
def routes() -> None:
    """Handle the models that callers may name."""


@routes.command("apply")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def routes_apply(place: _Place, files: tuple[Path, ...]) -> None:
    """Write routes, each a JSON document of its own. All are checked before the first is written."""
    documents = {str(file): file.read_bytes() for file in files}
    for alias in _run(place, lambda operation: apply_routes(operation, documents)):
        click.echo(f"Applied the route {alias}.")


async def init_keys(operation: Operation) -> tuple[str, bool]:
    """Make the signing key where there is none, and publish it. Return its name, and whether it is new."""
    kept = await operation.signing_keys.load()
    pair = new_key_pair(uuid.uuid4().hex[:12]) if kept is None else key_pair(*kept)
    if kept is None:
        await operation.signing_keys.keep(pair.kid, pair.pem)
    await operation.control.put("KEYS", pair.kid, pair.public_jwk)
    return pair.kid, kept is None


async def mint(
    operation: Operation, *, tenant: str, scopes: tuple[str, ...], models: tuple[str, ...], lifetime_s: int
) -> str:
    """Return a token. Raises: EmbedgeError where there is no key to sign it with, or no router would take it."""
    if not TENANT.fullmatch(tenant):
        raise InvalidValue("A tenant's name is 1 to 64 letters, digits, dots, dashes and underscores.", param="tenant")
    kept = await operation.signing_keys.load()
    if kept is None:
        raise EmbedgeError("There is no signing key yet. Make one with: embedge keys init (`make run` does)")
    now_s = int(operation.clock.now_s())
    grant = Grant(
        issuer=operation.issuer,
        audience=operation.audience,
        tenant=tenant,
        scopes=scopes,
        models=models,
        issued_s=now_s,
        expires_s=now_s + lifetime_s,
        token_id=uuid.uuid4().hex,
    )
    signed = sign(grant, *kept)
    if len(signed) > LONGEST_TOKEN:
        raise InvalidValue(f"The token would be longer than {LONGEST_TOKEN} characters. Name fewer models.")
    return signed


async def apply_routes(operation: Operation, documents: Mapping[str, bytes]) -> list[str]:
    """Write routes, given by where each comes from, and return their aliases.

    Raises: InvalidValue, naming where the document comes from, before anything is written.
    """
    routes_by_alias: dict[str, bytes] = {}
    for source, document in documents.items():
        alias = _alias_in(source, document)
        if alias in routes_by_alias:
            raise InvalidValue(f"{source}: another of these has the alias {alias} too. Leave one of them out.")
        routes_by_alias[alias] = document
    for alias, document in routes_by_alias.items():
        await operation.control.put("ROUTES", alias, document.decode())
    return list(routes_by_alias)


def _alias_in(source: str, document: bytes) -> str:
    try:
        return parse_route(document).alias
    except InvalidValue as error:
        raise InvalidValue(f"{source}: {error.message}") from error


def _run(place: _Place, command: Callable[[Operation], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a command where it belongs; an error of ours is a line on the terminal."""

    async def within() -> _Result:
        stack, folder = place
        operation = await operate_stack(stack) if stack else operate_folder(folder, Settings(state=folder))
        try:
            return await command(operation)
        finally:
            await operation.close()

    try:
        return asyncio.run(within())
    except EmbedgeError as error:
        raise click.ClickException(error.message) from error
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"The state in {place[1]} cannot be used: {error}.") from error
