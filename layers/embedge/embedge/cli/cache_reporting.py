"""How does an operator see what the cache saves? `cache report`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.savings_picture import draw
from embedge.cli.savings_text import text
from embedge.core.savings import Report, report


@click.command("report")
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="How many, today included.")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this file.")
@click.pass_obj
def cache_report(place: Place, days: int, tenant: str | None, png: Path | None) -> None:
    """Say what the cache saved and what it cost, by model and tenant and by day (UTC)."""

    async def drawn(operation: Operation) -> Report:
        found = await read(operation, days, tenant)
        if png is not None:
            draw(found, png)
        return found

    click.echo(text(run(place, drawn)))


async def read(operation: Operation, days: int, tenant: str | None) -> Report:
    """Return the savings of the last days. Raises: ServiceUnavailable."""
    last = datetime.fromtimestamp(operation.clock.now_s(), UTC).date()
    named = [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]
    return report(await operation.sources.rows.read(tenant, named[0]), named)
