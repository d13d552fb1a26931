"""Which commands has `embedge`? All groups of them, and where they work."""

import os
from pathlib import Path

import click

from embedge.cli.cache_commands import cache
from embedge.cli.doctor_command import doctor
from embedge.cli.issuer_commands import issuer
from embedge.cli.key_commands import keys
from embedge.cli.reconcile_commands import reconcile_now
from embedge.cli.route_commands import routes
from embedge.cli.tenant_commands import tenant
from embedge.cli.token_commands import token
from embedge.cli.usage_commands import usage


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


main.add_command(cache)
main.add_command(doctor)
main.add_command(issuer)
main.add_command(usage)
main.add_command(reconcile_now)
main.add_command(keys)
main.add_command(token)
main.add_command(routes)
main.add_command(tenant)
