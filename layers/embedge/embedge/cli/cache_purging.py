"""How does an operator purge the cache? `cache purge`: at once, and with --delete really."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.running import Place, run
from embedge.cli.sweep_token import SweepToken, TokenFile
from embedge.core.cache_key import space_id
from embedge.core.identity import TENANT
from embedge.core.route_document import parse_route
from embedge.errors import InvalidValue
from embedge.purging import ALL, HEARD_OF_S, Part, of_space, of_tenant, purge
from embedge.verification import ROUTES

_SPACE_BYTES = 32
_PIECE = 100


@dataclass(frozen=True, slots=True)
class Which:
    """Which part an operator names: exactly one of these."""

    tenant: str | None
    model: str | None
    space: str | None
    everything: bool

    def is_one(self) -> bool:
        """Tell whether exactly one is named."""
        return sum((self.tenant is not None, self.model is not None, self.space is not None, self.everything)) == 1


@dataclass(frozen=True, slots=True)
class Sweeping:
    """How a sweep goes: what it deletes, where it keeps its token, how fast, and whether it waits to begin."""

    part: Part
    file: TokenFile
    per_second: int
    waits: bool


@click.command("purge")
@click.option("--tenant", help="What this tenant alone can find.")
@click.option("--model", help="What lies in the space of the route with this alias or name.")
@click.option("--space", help="What lies in the space with this id, 64 hexadecimal digits.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--delete", is_flag=True, help="Also go through the whole cache and delete it there.")
@click.option("--resume", is_flag=True, help="Go on with a deletion that was interrupted, without purging again.")
@click.option(
    "--per-second", type=click.IntRange(1), default=500, show_default=True, help="Entries looked at, at most."
)
@click.option("--wait/--no-wait", "waits", default=True, help="Delete only when every process has heard of the purge.")
@click.pass_obj
def cache_purge(  # noqa: PLR0913 (one for each option)
    place: Place,
    *,
    tenant: str | None,
    model: str | None,
    space: str | None,
    everything: bool,
    delete: bool,
    resume: bool,
    per_second: int,
    waits: bool,
) -> None:
    """Forget a part of the cache: nobody finds it any more, at once, and it expires; --delete takes it away.

    Deleting reads the whole table, which costs $0.125 for every million entries of 8 KB or less, and $0.625 for each
    million write units that are freed; expiry costs nothing.
    """
    which = Which(tenant, model, space, everything)
    if not which.is_one():
        raise click.UsageError("Name one of --tenant, --model, --space and --all.")
    if resume and not delete:
        raise click.UsageError("Only a deletion can be gone on with: --delete --resume.")
    part = run(place, partial(part_named, which=which))
    if not resume:
        generation = run(place, lambda operation: purge(operation.control, part))
        click.echo(f"Purged {part.name}: its generation is {generation}. Every process knows within {HEARD_OF_S} s.")
    if delete:
        sweeping = Sweeping(part, TokenFile(place[1], place[0], part.name), per_second, waits)
        _sweep_here(place, sweeping, resume=resume)


async def part_named(operation: Operation, which: Which) -> Part:
    """Return the part. Raises: InvalidValue where there is none of that name."""
    if which.tenant is not None:
        if not TENANT.fullmatch(which.tenant):
            raise InvalidValue("A tenant's name is 1 to 64 letters, digits, dots, dashes and underscores.")
        return of_tenant(which.tenant)
    if which.model is not None:
        return of_space(await _space_of(operation, which.model))
    if which.space is not None:
        return of_space(_space_named(which.space))
    return ALL


async def _space_of(operation: Operation, model: str) -> bytes:
    for document in (await operation.control.query(ROUTES)).values():
        route = parse_route(document)
        if model in route.answers_to():
            return space_id(route.space)
    raise InvalidValue(f"There is no route with the name {model}. `--space` takes the id of a space that has none.")


def _space_named(name: str) -> bytes:
    try:
        space = bytes.fromhex(name)
    except ValueError:
        space = b""
    if len(space) != _SPACE_BYTES:
        raise InvalidValue(f"A space's id is {2 * _SPACE_BYTES} hexadecimal digits.")
    return space


def _sweep_here(place: Place, sweeping: Sweeping, *, resume: bool) -> None:
    """Sweep with a progress bar; an interruption says how to go on."""
    try:
        swept = run(place, partial(_sweep, sweeping=sweeping, resume=resume))
    except KeyboardInterrupt:
        click.echo("\nInterrupted. The same command with --delete --resume goes on.", err=True)
        raise SystemExit(130) from None
    click.echo(f"Deleted {swept.deleted} of {swept.seen} entries.")


async def _sweep(operation: Operation, sweeping: Sweeping, *, resume: bool) -> SweepToken:
    now_s = int(operation.clock.now_s())
    token = sweeping.file.load() if resume else SweepToken(now_s + (HEARD_OF_S if sweeping.waits else 1))
    sweeping.file.save(token)
    if (left_s := token.before_s - now_s) > 0 and sweeping.waits:
        click.echo(f"Deleting begins in {left_s} s, when every process has heard of the purge.", err=True)
        await asyncio.sleep(left_s)
    total = max(await operation.entries.count(), token.seen)
    with click.progressbar(length=total, label="Deleting", update_min_steps=1) as bar:
        bar.update(token.seen)
        return await sweep(operation, sweeping, token, bar.update)


async def sweep(operation: Operation, sweeping: Sweeping, token: SweepToken, told: Callable[[int], None]) -> SweepToken:
    """Go through the cache from where the token is, piece by piece, no faster than asked; tell what was looked at."""
    doomed = sweeping.part.doomed(token.before_s)
    while True:
        loop = asyncio.get_running_loop()
        next_s = loop.time() + _PIECE / sweeping.per_second
        swept = await operation.entries.sweep(doomed, token.last, _PIECE)
        token = replace(token, last=swept.last, seen=token.seen + swept.seen, deleted=token.deleted + swept.deleted)
        told(swept.seen)
        if swept.last is None:
            sweeping.file.forget()
            return token
        sweeping.file.save(token)
        await asyncio.sleep(max(0.0, next_s - loop.time()))
