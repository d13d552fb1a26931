"""How does an operator compare what was used with the log, and close what dead processes hold? `reconcile`."""

from collections.abc import Mapping

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.core.dollars import dollars
from embedge.reconcile import Audit, Found, reconcile

_LONGEST_S = 600.0


class _Spoken:
    """The Notices port: each thing that is told is a line for whoever watches the terminal."""

    def tell(self, what: str, fields: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        """Write what is said of one tenant; the numbers of the whole run are said at its end."""
        del numbers
        if fields:
            click.echo(f"{what}: " + ", ".join(f"{name} {value}" for name, value in fields.items()), err=True)

    def measure(self, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Write nothing: alarms hear of it from the schedule."""
        del of, numbers


@click.command("reconcile")
@click.pass_context
def reconcile_now(context: click.Context) -> None:
    """Compare usage with the log, add what dead processes had not written, and close their leases.

    A deployed stack does so by itself, on a schedule. Ends with 1 where something differed by more than 0.1 %.
    """
    place: Place = context.obj

    async def found(operation: Operation) -> Found:
        audit = Audit(operation.sources, _Spoken(), operation.clock)
        return await reconcile(audit, operation.clock.now_s() + _LONGEST_S)

    done = run(place, found)
    back = sum(lease.given_back_nano_usd for lease in done.leases.closed)
    lost = sum(lease.lost_nano_usd for lease in done.leases.closed)
    click.echo(f"windows of the log: {done.windows}, behind by {done.behind_s} s")
    click.echo(f"usage added: {done.repaired.requests} requests, ${dollars(done.repaired.cost)}")
    click.echo(f"leases closed: {len(done.leases.closed)}, given back ${dollars(back)}, lost ${dollars(lost)}")
    if done.leases.unknown:
        click.echo(f"leases left for the next time, of unknown outcome: {done.leases.unknown}")
    if not done.is_well():
        click.echo(f"differed: {len(done.drifting)} days of tenants, {len(done.undercharged)} tenants undercharged")
        context.exit(1)
