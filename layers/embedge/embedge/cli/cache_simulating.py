"""What would each policy of the cache have cost? `cache simulate`."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import get_args

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedge.core.admission_economics import DYNAMODB_ON_DEMAND
from embedge.core.cache_outlook import Terms
from embedge.core.cache_replay import Asked, Outcome, replay
from embedge.core.metering import BYTES_PER_TOKEN_ESTIMATE
from embedge.core.route import MAX_DIMENSIONS, Admit, Storage

_NANO = 10**9
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 3650 * 86_400
_COLUMNS = ("policy", "lookups", "hits", "writes", "model $", "cache $", "net $")


class _Line(BaseModel):
    """A line of a log or of a corpus: a text, or its hash and its tokens. Fields that we do not know are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str | None = None
    hash: str | None = None
    tokens: int | None = Field(default=None, ge=1)
    ts: float = 0.0
    tenant: str = "default"


def _seconds(context: click.Context, option: click.Parameter, text: str) -> int:
    """Read a duration such as 30d, 12h or 600s."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS_S else (text, "s")
    if not number.isdecimal() or not 1 <= int(number) * _UNITS_S[unit] <= _LONGEST_S:
        raise click.BadParameter(f"{text} is no duration such as 30d, 12h or 600s.", context, option)
    return int(number) * _UNITS_S[unit]


@click.command("simulate")
@click.argument("corpus", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--price", type=Decimal, default=Decimal("0.02"), show_default=True, help="Dollars a million tokens.")
@click.option("--ttl", "ttl_s", callback=_seconds, default="30d", show_default=True, help="How long an entry lives.")
@click.option("--dimensions", type=click.IntRange(1, MAX_DIMENSIONS), default=1536, show_default=True)
@click.option("--storage", type=click.Choice(get_args(Storage)), default="f32", show_default=True)
def cache_simulate(corpus: Path, price: Decimal, ttl_s: int, dimensions: int, storage: Storage) -> None:
    """Say what each policy would have cost for CORPUS, at DynamoDB's prices.

    CORPUS has a JSON object in each line: a `text`, or a `hash` and the `tokens` behind it; `ts` in seconds and a
    `tenant` where there are some. Tokens that are not given are estimated as a fourth of a text's bytes. Each line is
    a request of its own; entries live for --ttl, and are paid for as long.
    """
    if not price.is_finite() or price < 0:
        raise click.BadParameter("a price is 0 or more", param_hint="--price")
    asked = sorted(_read(corpus), key=lambda one: one.at_s)
    policies: tuple[Admit, ...] = get_args(Admit)
    outcomes: dict[Admit, Outcome] = {
        admit: replay(asked, Terms(admit, int(price * _NANO), dimensions, storage, ttl_s), DYNAMODB_ON_DEMAND)
        for admit in policies
    }
    distinct = len({(one.tenant, one.key) for one in asked})
    click.echo(f"{len(asked):,} inputs, {distinct:,} distinct, {sum(one.tokens for one in asked):,} tokens")
    for line in table(outcomes):
        click.echo(line)


def table(outcomes: Mapping[Admit, Outcome]) -> Iterable[str]:
    """Return the outcomes as lines, numbers to the right."""
    rows = [
        (
            admit,
            *(f"{number:,}" for number in (came.lookups, came.hits, came.writes)),
            *(f"{nano / _NANO:.6f}" for nano in (came.model_nano_usd, came.cache_nano_usd, came.net_nano_usd())),
        )
        for admit, came in outcomes.items()
    ]
    widths = [max(map(len, cells)) for cells in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first.strip().ljust(widths[0]), *rest])


def _read(corpus: Path) -> Iterator[Asked]:
    with corpus.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _asked(f"{corpus}, line {number}", line)


def _asked(place: str, line: bytes) -> Asked:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError as error:
        raise click.ClickException(f"{place}: no JSON object of text, hash, tokens, ts and tenant.") from error
    if read.text is None and (read.hash is None or read.tokens is None):
        raise click.ClickException(f"{place}: it needs a text, or a hash and tokens.")
    content = (f"hash:{read.hash}" if read.text is None else f"text:{read.text}").encode()
    size_bytes = len(content) - len("text:") if read.text is not None else BYTES_PER_TOKEN_ESTIMATE * (read.tokens or 1)
    tokens = read.tokens or max(1, -(-size_bytes // BYTES_PER_TOKEN_ESTIMATE))
    return Asked(read.ts, read.tenant, hashlib.sha256(content).digest(), tokens, size_bytes)
