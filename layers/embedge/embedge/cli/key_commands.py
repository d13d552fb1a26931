"""How does an operator handle the keys that sign tokens? `keys init, rotate, list, retire`."""

import uuid
from typing import get_args

import click

from embedge import tenancy
from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.signing import KeyPair, key_pair, new_key_pair
from embedge.cli.times import utc
from embedge.core.identity import OwnAlgorithm
from embedge.core.key_document import (
    KEYS,
    SETTLED_S,
    algorithm_of,
    is_of,
    made_s,
    planned,
    retires_s,
    signing_kid,
)
from embedge.errors import EmbedgeError

_DAY_S = 86_400
_PRIVATE_KEPT = 2
_ALGORITHM = click.option("--algorithm", type=click.Choice(get_args(OwnAlgorithm)), default="ES256", show_default=True)


@click.group()
def keys() -> None:
    """Handle the keys that sign tokens."""


@keys.command("init")
@_ALGORITHM
@click.pass_obj
def keys_init(place: Place, algorithm: OwnAlgorithm) -> None:
    """Make the signing key, and publish its public part. Does nothing where there is one."""
    kid, made = run(place, lambda operation: init_keys(operation, algorithm))
    click.echo(f"{'Made' if made else 'Kept'} the signing key {kid}.")


@keys.command("rotate")
@_ALGORITHM
@click.option(
    "--overlap-days", type=click.IntRange(0, 3660), default=31, show_default=True, help="What older keys still verify."
)
@click.pass_obj
def keys_rotate(place: Place, algorithm: OwnAlgorithm, overlap_days: int) -> None:
    """Make a new signing key, and let the others retire later.

    It signs when every router has heard of it, in a minute; what older keys have signed is taken until they retire.
    """
    kid, retiring = run(place, lambda operation: _rotate(operation, algorithm, overlap_days * _DAY_S))
    click.echo(f"Made the signing key {kid}. It signs from {SETTLED_S} seconds on.")
    for old, at_s in retiring.items():
        click.echo(f"{old} retires at {utc(at_s)}: tokens of it that live longer end then.")


@keys.command("list")
@click.pass_obj
def keys_list(place: Place) -> None:
    """Show every key that verifies tokens in one line."""
    for line in run(place, _lines):
        click.echo(line)


@keys.command("retire")
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def keys_retire(place: Place, kid: str, *, yes: bool) -> None:
    """Take a key out at once: within 30 seconds, all of its tokens are refused."""
    run(place, lambda operation: _document(operation, kid))
    if not yes:
        click.confirm(f"Retire {kid} now? Every token that it has signed will be refused.", abort=True)
    run(place, lambda operation: _retire(operation, kid))
    click.echo(f"{kid} verifies nothing any more.")


async def init_keys(operation: Operation, algorithm: OwnAlgorithm = "ES256") -> tuple[str, bool]:
    """Make the signing key where there is none, and publish it. Return its name, and whether it is new."""
    kept = await operation.signing_keys.load()
    pair = key_pair(*kept[0]) if kept else new_key_pair(_new_kid(), algorithm)
    if not kept:
        await operation.signing_keys.keep(pair.kid, pair.pem)
    published = (await operation.control.query(KEYS)).get(pair.kid)
    if published is None or not is_of(published, pair.public_jwk):
        await _publish(operation, pair)
    return pair.kid, not kept


async def _rotate(operation: Operation, algorithm: OwnAlgorithm, overlap_s: int) -> tuple[str, dict[str, float]]:
    older = dict(await operation.control.query(KEYS))
    pair = new_key_pair(_new_kid(), algorithm)
    await _publish(operation, pair)
    await operation.signing_keys.keep(pair.kid, pair.pem)
    ends_s = operation.clock.now_s() + SETTLED_S + overlap_s
    retiring = {kid: min(ends_s, retires_s(text)) for kid, text in older.items()}
    for kid, at_s in retiring.items():
        if not await operation.control.replace(KEYS, kid, older[kid], planned(older[kid], retires_s=at_s)):
            raise EmbedgeError(f"Somebody else has just changed {kid}. See: embedge keys list")
    await tenancy.announce(operation.control, KEYS)
    for kid, _ in (await operation.signing_keys.load())[_PRIVATE_KEPT:]:
        await operation.signing_keys.forget(kid)
    return pair.kid, retiring


async def _document(operation: Operation, kid: str) -> str:
    """Return a published key as it is in Control."""
    seen = (await operation.control.query(KEYS)).get(kid)
    if seen is None:
        raise EmbedgeError(f"There is no key {kid}. `embedge keys list` shows those that there are.")
    return seen


async def _retire(operation: Operation, kid: str) -> None:
    seen = await _document(operation, kid)
    await operation.signing_keys.forget(kid)
    if not await operation.control.replace(KEYS, kid, seen, None):
        raise EmbedgeError(f"Somebody else has just changed {kid}. Try again.")
    await tenancy.announce(operation.control, KEYS)


async def _lines(operation: Operation) -> list[str]:
    documents, now_s = dict(await operation.control.query(KEYS)), operation.clock.now_s()
    signs = signing_kid([kid for kid, _ in await operation.signing_keys.load()], documents, now_s)
    return [
        "  ".join(
            (
                kid,
                algorithm_of(text),
                f"made {utc(made_s(text))}" if made_s(text) else "made long ago",
                "signs" if kid == signs else "verifies",
                "" if retires_s(text) == float("inf") else f"until {utc(retires_s(text))}",
            )
        ).rstrip()
        for kid, text in sorted(documents.items(), key=lambda each: made_s(each[1]))
    ]


async def _publish(operation: Operation, pair: KeyPair) -> None:
    document = planned(pair.public_jwk, made_s=operation.clock.now_s())
    await operation.control.put(KEYS, pair.kid, document)
    await tenancy.announce(operation.control, KEYS)


def _new_kid() -> str:
    return uuid.uuid4().hex[:12]
