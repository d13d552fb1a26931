"""How does an operator handle the keys that sign tokens? `keys init`."""

import uuid

import click

from embedge.bootstrap import Operation
from embedge.cli.running import Place, run
from embedge.cli.signing import key_pair, new_key_pair


@click.group()
def keys() -> None:
    """Handle the keys that sign tokens."""


@keys.command("init")
@click.pass_obj
def keys_init(place: Place) -> None:
    """Make the signing key, and publish its public part. Does nothing where there is one."""
    kid, made = run(place, init_keys)
    click.echo(f"{'Made' if made else 'Kept'} the signing key {kid}.")


async def init_keys(operation: Operation) -> tuple[str, bool]:
    """Make the signing key where there is none, and publish it. Return its name, and whether it is new."""
    kept = await operation.signing_keys.load()
    pair = new_key_pair(uuid.uuid4().hex[:12]) if kept is None else key_pair(*kept)
    if kept is None:
        await operation.signing_keys.keep(pair.kid, pair.pem)
    await operation.control.put("KEYS", pair.kid, pair.public_jwk)
    return pair.kid, kept is None
