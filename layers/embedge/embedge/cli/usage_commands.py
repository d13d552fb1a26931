"""How does an operator see what was used? `usage`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, get_args

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.usage_text import Form, usage_text
from embedge.core.usage import Counts, UsageRow
from embedge.core.usage_groups import Dimension, Group, grouped

By: TypeAlias = Literal[Dimension, "user"]
_DAY_MS = 86_400_000
_MOST_LINES = 1_000


@click.command("usage")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True, help="How many, today included.")
@click.option("--by", type=click.Choice(get_args(By)), default="model", show_default=True, help="A line for each.")
@click.option("--format", "form", type=click.Choice(get_args(Form)), default="table", show_default=True)
@click.pass_obj
def usage(place: Place, tenant: str | None, days: int, by: By, form: Form) -> None:
    """Say what was used, what it cost and what the cache saved, and what each day (UTC) cost.

    Users are not added up anywhere: `--by user` reads the log, as far as it is kept.
    """

    async def found(operation: Operation) -> tuple[Sequence[Group], Mapping[str, int]]:
        named = _days(operation.clock.now_s(), days)
        return await (_by_user(operation, tenant, named) if by == "user" else _by(operation, tenant, by, named))

    groups, cost = run(place, found)
    click.echo(usage_text(form, by, groups, cost))


def _days(now_s: float, days: int) -> list[str]:
    last = datetime.fromtimestamp(now_s, UTC).date()
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]


async def _by(
    operation: Operation, tenant: str | None, by: Dimension, days: Sequence[str]
) -> tuple[Sequence[Group], Mapping[str, int]]:
    rows = await operation.sources.rows.read(tenant, days[0])
    return grouped(rows, (by,), _MOST_LINES), _cost(rows, days)


async def _by_user(
    operation: Operation, tenant: str | None, days: Sequence[str]
) -> tuple[Sequence[Group], Mapping[str, int]]:
    """Add up the log; it may hold of a day's requests some that were logged just after it."""
    now_ms = int(operation.clock.now_s() * 1000)
    start_ms = int(datetime.fromisoformat(days[0]).replace(tzinfo=UTC).timestamp()) * 1000
    users: dict[str, Counts] = {}
    cost = dict.fromkeys(days, 0)
    async for record in operation.sources.records.read(start_ms, now_ms + _DAY_MS):
        if tenant in {None, record.row.tenant} and record.row.day in cost:
            users[record.user] = users.get(record.user, Counts()).plus(record.counts)
            cost[record.row.day] += record.counts.cost
    ordered = sorted(users.items(), key=lambda one: (-one[1].cost, -one[1].served, one[0]))
    return [Group((user,), counts) for user, counts in ordered], cost


def _cost(rows: Sequence[UsageRow], days: Sequence[str]) -> Mapping[str, int]:
    cost = dict.fromkeys(days, 0)
    for row in rows:
        if row.name.day in cost:
            cost[row.name.day] += row.counts.cost
    return cost
