"""How does an operator handle the tokens that callers send? `token mint`."""

import uuid
from typing import get_args

import click

from embedge.bootstrap import Operation
from embedge.cli.running import Place, run
from embedge.cli.signing import sign
from embedge.core.identity import ISSUED_SCOPES, LONGEST_TOKEN, TENANT, Grant
from embedge.core.request import Scope
from embedge.errors import EmbedgeError, InvalidValue

_DAY_S = 86_400
_SCOPE = click.Choice(get_args(Scope))


@click.group()
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
def token_mint(place: Place, tenant: str, scopes: tuple[str, ...], models: tuple[str, ...], days: int) -> None:
    """Print a token, and nothing else."""

    async def minted(operation: Operation) -> str:
        return await mint(operation, tenant=tenant, scopes=scopes, models=models, lifetime_s=days * _DAY_S)

    click.echo(run(place, minted))


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
