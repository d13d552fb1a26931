"""How does an operator handle the tokens that callers send? `token mint, inspect, revoke`."""

import sys
import uuid
from dataclasses import dataclass
from typing import get_args

import click

from embedge import tenancy
from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.signing import sign
from embedge.cli.token_text import token_lines
from embedge.core.identity import ISSUED_SCOPES, LONGEST_TOKEN, TENANT, Grant
from embedge.core.issuer import ISSUERS, OWN
from embedge.core.key_document import KEYS, retires_s, signing_kid
from embedge.core.request import Principal, Scope, ServiceTier
from embedge.core.standing import revoked_token
from embedge.core.token_form import NoToken, TokenForm, read_token
from embedge.errors import CredentialExpired, EmbedgeError, InvalidValue

_DAY_S = 86_400
# A revocation whose token's end is not known is kept for as long as any token lives that was minted here.
_LONGEST_DAYS = 3660
_SCOPE = click.Choice(get_args(Scope))
_TOKEN = click.argument("text", metavar="TOKEN", default="-")


@click.group()
def token() -> None:
    """Handle the tokens that callers send."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a token is to be for."""

    tenant: str
    scopes: tuple[str, ...] = ISSUED_SCOPES
    models: tuple[str, ...] = ("*",)
    tier: ServiceTier = "auto"
    exempt: bool = False
    lifetime_s: int = 30 * _DAY_S


@token.command("mint")
@click.option("--tenant", default="default", show_default=True, help="Whose token it is.")
@click.option(
    "--scope", "scopes", multiple=True, type=_SCOPE, default=ISSUED_SCOPES, show_default=True, help="What it may do."
)
@click.option("--model", "models", multiple=True, default=("*",), show_default=True, help="Patterns of models.")
@click.option("--tier", type=click.Choice(get_args(ServiceTier)), default="auto", help="The most it is served as.")
@click.option("--exempt", is_flag=True, help="No rate binds it, only budgets: for internal callers.")
@click.option("--days", type=click.IntRange(1, _LONGEST_DAYS), default=30, show_default=True, help="Its lifetime.")
@click.pass_obj
def token_mint(  # noqa: PLR0913 (one for each option)
    place: Place,
    tenant: str,
    *,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    tier: ServiceTier,
    exempt: bool,
    days: int,
) -> None:
    """Print a token, and nothing else."""
    wish = Wish(tenant, scopes, models, tier, exempt, days * _DAY_S)
    click.echo(run(place, lambda operation: grant(operation, wish)))


@token.command("inspect")
@_TOKEN
@click.pass_obj
def token_inspect(place: Place, text: str) -> None:
    """Show what a token says, and what a router would make of it; `-` or nothing reads it from standard input.

    Exit status 1 where no router would take it.
    """
    shown = _read(text)
    form = _form(shown)
    verdict = run(place, lambda operation: _verdict(operation, shown))
    for line in token_lines(form, verdict):
        click.echo(line)
    if isinstance(verdict, EmbedgeError):
        raise SystemExit(1)


@token.command("revoke")
@click.argument("text", metavar="[TOKEN]", default="")
@click.option("--id", "token_id", help="What `inspect` calls it, where the token itself is not at hand.")
@click.option("--issuer", default=OWN, show_default=True, help="Whose token that is.")
@click.pass_obj
def token_revoke(place: Place, text: str, *, token_id: str | None, issuer: str) -> None:
    """Take a token back: within 30 seconds it is refused everywhere. `-` reads it from standard input."""
    if bool(text) == bool(token_id):
        raise click.UsageError("Give the token, or its name with --id.")
    if token_id:
        named, until_s = token_id, None
        run(place, lambda operation: _revoke(operation, issuer, named, until_s))
    else:
        shown = _read(text)
        _form(shown)
        issuer, named = run(place, lambda operation: _revoke_token(operation, shown))
    click.echo(f"Taken back: {named} of {issuer}. It is refused everywhere within 30 seconds.")


async def mint(
    operation: Operation, *, tenant: str, scopes: tuple[str, ...], models: tuple[str, ...], lifetime_s: int
) -> str:
    """Return a token that neither has a narrower tier nor is exempt. Raises: as below."""
    return await grant(operation, Wish(tenant, scopes, models, lifetime_s=lifetime_s))


async def grant(operation: Operation, wish: Wish) -> str:
    """Return a token. Raises: EmbedgeError where there is no key to sign it with, or no router would take it."""
    if not TENANT.fullmatch(wish.tenant):
        raise InvalidValue("A tenant's name is 1 to 64 letters, digits, dots, dashes and underscores.", param="tenant")
    private = dict(await operation.signing_keys.load())
    documents, now_s = await operation.control.query(KEYS), operation.clock.now_s()
    kid = signing_kid(list(private), documents, now_s)
    if kid is None:
        raise EmbedgeError("There is no signing key yet. Make one with: embedge keys init (`make run` does)")
    said = Grant(
        issuer=operation.issuer,
        audience=operation.audience,
        tenant=wish.tenant,
        scopes=wish.scopes,
        models=wish.models,
        issued_s=int(now_s),
        expires_s=int(min(now_s + wish.lifetime_s, retires_s(documents[kid]))),
        token_id=uuid.uuid4().hex,
        tier=wish.tier,
        exempt=wish.exempt,
    )
    signed = sign(said, kid, private[kid])
    if len(signed) > LONGEST_TOKEN:
        raise InvalidValue(f"The token would be longer than {LONGEST_TOKEN} characters. Name fewer models.")
    return signed


def _read(text: str) -> str:
    return (sys.stdin.read() if text == "-" else text).strip().removeprefix("Bearer ").strip()


def _form(shown: str) -> TokenForm:
    try:
        return read_token(shown)
    except NoToken as error:
        raise click.ClickException("This is not a JSON Web Token, or it says something twice.") from error


async def _verdict(operation: Operation, shown: str) -> Principal | EmbedgeError:
    try:
        return await operation.authenticator.confirm(f"Bearer {shown}")
    except EmbedgeError as error:
        return error


async def _revoke_token(operation: Operation, shown: str) -> tuple[str, str]:
    try:
        principal = await operation.authenticator.verify(f"Bearer {shown}")
    except CredentialExpired as error:
        raise EmbedgeError("No router takes this token any more: it has expired.") from error
    ends = read_token(shown).claims["exp"]
    await _revoke(operation, principal.issuer, principal.token_id, int(ends) if isinstance(ends, int | float) else None)
    return principal.issuer, principal.token_id


async def _revoke(operation: Operation, issuer: str, token_id: str, expires_s: int | None) -> None:
    if issuer != OWN and issuer not in await operation.control.query(ISSUERS):
        raise InvalidValue(f"There is no issuer {issuer}. See: embedge issuer list")
    if not TENANT.fullmatch(token_id):
        raise InvalidValue("That is not a token's name: 1 to 64 letters, digits, dots, dashes and underscores.")
    partition = revoked_token(issuer, token_id)
    until_s = expires_s or int(operation.clock.now_s()) + _LONGEST_DAYS * _DAY_S
    await operation.control.put(partition, "-", "{}", until_s + _DAY_S)
    await tenancy.announce(operation.control, partition)
