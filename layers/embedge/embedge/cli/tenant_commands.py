"""How does an operator say what each tenant may use? `tenant put, list, show, block, unblock`."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import click

from embedge import tenancy
from embedge.bootstrap.operating import Operation
from embedge.cli import limit_options
from embedge.cli.limit_options import Said
from embedge.cli.running import Place, run
from embedge.cli.tenant_alarming import checked, follow
from embedge.cli.tenant_text import block_lines, ledger_line, tenant_lines, tenant_table
from embedge.core.balance_forms import Period
from embedge.core.request import ModelRate, ServiceTier
from embedge.core.tenant_document import EVERYBODY, Block, TenantDocument
from embedge.errors import EmbedgeError, InvalidValue, ServiceUnavailable

_OPERATOR = "operator"
_AT_ONCE = 16


@click.group()
def tenant() -> None:
    """Say what each tenant may use. Every process hears of it within 30 seconds."""


@tenant.command("put")
@click.argument("name")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="PERIOD=USD",
    callback=limit_options.budgets,
    help="For day, month or total.",
)
@click.option("--requests-per-minute", metavar="N", callback=limit_options.rate, help="How many it may send.")
@click.option("--tokens-per-minute", metavar="N", callback=limit_options.rate, help="How many it may have embedded.")
@click.option(
    "--model-rate", "rates", multiple=True, callback=limit_options.model_rates, metavar="PATTERN:requests=N,tokens=N"
)
@click.option("--models", multiple=True, metavar="PATTERN", help="Which it may use, such as 'text-*'; again for more.")
@click.option("--tier", type=click.Choice(get_args(ServiceTier)), help="How its requests are served that do not say.")
@click.option("--over-limit-percent", type=click.IntRange(0, 1000), help="How much more than its rates may be served.")
@click.option(
    "--alarm/--no-alarm",
    default=None,
    help="Alarms of its own at 50, 80 and 100 % of its budgets, and on its burn rate; about $1 a month.",
)
@click.pass_obj
def tenant_put(  # noqa: PLR0913 (one for each option)
    place: Place,
    name: str,
    *,
    budgets: Said,
    requests_per_minute: Said,
    tokens_per_minute: Said,
    rates: tuple[ModelRate, ...],
    models: tuple[str, ...],
    tier: ServiceTier | None,
    over_limit_percent: int | None,
    alarm: bool | None,
) -> None:
    """Set what is named of a tenant's limits, and leave the rest as it is.

    `none` lifts a limit, `default` leaves it to the deployment. Where nobody has said anything, all are its defaults.
    """

    def change(document: TenantDocument) -> TenantDocument:
        return replace(
            document,
            **{**budgets, **requests_per_minute, **tokens_per_minute},
            model_rates=_with(document.model_rates, rates),
            models=models or document.models,
            tier=tier or document.tier,
            over_limit_percent=document.over_limit_percent if over_limit_percent is None else over_limit_percent,
            alarm=document.alarm if alarm is None else alarm,
        )

    async def done(operation: Operation) -> tuple[TenantDocument, list[str]]:
        document = await tenancy.put(operation.control, name, lambda before: checked(operation, change(before)))
        return document, await follow(operation, name, document)

    put, alarms = run(place, done)
    _echo([*tenant_lines(name, put), *(f"alarm {alarm_name}" for alarm_name in alarms)])


def _with(rates: tuple[ModelRate, ...], said: tuple[ModelRate, ...]) -> tuple[ModelRate, ...]:
    """Return the rates with those that were said in the place of what was said of the same pattern; empty ones go."""
    by_pattern = {rate.pattern: rate for rate in (*rates, *said)}
    return tuple(
        rate for rate in by_pattern.values() if (rate.requests_per_minute, rate.tokens_per_minute) != (None, None)
    )


@tenant.command("list")
@click.pass_obj
def tenant_list(place: Place) -> None:
    """Show every tenant that something was said of in one line."""
    _echo(tenant_table(run(place, _all)))


@tenant.command("show")
@click.argument("name")
@click.pass_obj
def tenant_show(place: Place, name: str) -> None:
    """Show a tenant's limits, who has blocked it, and what its budgets have come to in the ledger."""
    found, ledger = run(place, lambda operation: _shown(operation, name))
    _echo(tenant_lines(name, found.document or TenantDocument()))
    _echo([*block_lines(found.blocks), ledger])


@tenant.command("block")
@click.argument("name", default="")
@click.option("--everybody", is_flag=True, help="Stop the whole deployment instead of one tenant.")
@click.option("--reason", default="", help="Why, for `tenant show`.")
@click.pass_obj
def tenant_block(place: Place, name: str, *, everybody: bool, reason: str) -> None:
    """Refuse all requests of a tenant, until it is unblocked."""
    _say(place, _named(name, everybody=everybody), lambda now_s: Block(blocked=True, at_s=now_s, reason=reason))


@tenant.command("unblock")
@click.argument("name", default="")
@click.option("--everybody", is_flag=True, help="Take back what `block --everybody` said.")
@click.option("--source", default=_OPERATOR, show_default=True, help="Whose block; `tenant show` names them.")
@click.pass_obj
def tenant_unblock(place: Place, name: str, *, everybody: bool, source: str) -> None:
    """Take back a block: the operators', or that of another source. What others say stays."""
    name = _named(name, everybody=everybody)
    _say(place, name, lambda now_s: Block(blocked=False, at_s=now_s), source)


def _named(name: str, *, everybody: bool) -> str:
    if bool(name) == everybody:
        raise click.UsageError("Name one tenant, or say --everybody.")
    return EVERYBODY if everybody else name


def _say(place: Place, name: str, block: Callable[[float], Block], source: str = _OPERATOR) -> None:
    async def said(operation: Operation) -> tenancy.Known:
        known = await tenancy.known(operation.control, name)
        if source not in {_OPERATOR, *known.blocks}:
            raise InvalidValue(f"Nothing named {source} has said anything of it. See: embedge tenant show {name}")
        if not await tenancy.say(operation.control, name, source, block(operation.clock.now_s())):
            raise EmbedgeError("What stands there is newer than this machine's clock. Set the clock, and try again.")
        return await tenancy.known(operation.control, name)

    _echo(block_lines(run(place, said).blocks))


async def _all(operation: Operation) -> dict[str, tenancy.Known]:
    names = await tenancy.names(operation.control)
    found: dict[str, tenancy.Known] = {}
    for first in range(0, len(names), _AT_ONCE):
        part = names[first : first + _AT_ONCE]
        read = await asyncio.gather(*(tenancy.known(operation.control, name) for name in part))
        found |= dict(zip(part, read, strict=True))
    return found


async def _shown(operation: Operation, name: str) -> tuple[tenancy.Known, str]:
    known = await _known(operation, name)
    today = datetime.fromtimestamp(operation.clock.now_s(), UTC)
    try:
        balance = (await operation.sources.items.query(name)).get("B")
    except ServiceUnavailable as error:
        return known, f"  {error}"
    return known, ledger_line(balance, Period(today.year * 12 + today.month, today.toordinal()))


async def _known(operation: Operation, name: str) -> tenancy.Known:
    if name != EVERYBODY:
        tenancy.check_name(name)
    found = await tenancy.known(operation.control, name)
    if found.document is None and not found.blocks:
        raise InvalidValue(f"Nobody has said anything of {name}: the deployment's defaults are its limits.")
    return found


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
