"""How are limits written in a command? `month=50`, `600`, `none`, `default`, `text-*:requests=60,tokens=1000`."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import click

from embedge.core.request import NO_LIMIT, ModelRate

_PERIODS = ("day", "month", "total")
_NANO = 10**9
_MOST_PER_MINUTE = 10**12

# Fields of a tenant's document, and what they are to say.
Said = Mapping[str, int | None]
_LIMITS = {"default": None, "none": NO_LIMIT}


def budgets(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Said:
    """Read `month=50`: a period, and the most that it may cost. Raises: BadParameter."""
    del context, parameter
    said: dict[str, int | None] = {}
    for value in values:
        period, _, amount = value.partition("=")
        if period not in _PERIODS:
            raise click.BadParameter(f"{value}: write day=5, month=50 or total=500")
        said[f"{period}_nano_usd"] = _LIMITS[amount] if amount in _LIMITS else _nano_usd(amount)
    return said


def _nano_usd(amount: str) -> int:
    try:
        nano_usd = Decimal(amount) * _NANO
    except InvalidOperation:
        nano_usd = Decimal(-1)
    if not nano_usd.is_finite() or not 0 <= nano_usd < NO_LIMIT - _NANO or nano_usd != int(nano_usd):
        raise click.BadParameter(f"{amount}: an amount in dollars is needed, such as 12.50, or none, or default")
    return int(nano_usd)


def rate(context: click.Context, parameter: click.Parameter, value: str | None) -> Said:
    """Read a number, `none` or `default`. Raises: BadParameter."""
    del context
    return {} if value is None else {str(parameter.name): _LIMITS[value] if value in _LIMITS else _per_minute(value)}


def _per_minute(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < int(value) <= _MOST_PER_MINUTE):
        raise click.BadParameter(f"{value}: a whole number of at least 1 is needed, or none, or default")
    return int(value)


def model_rates(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[ModelRate, ...]:
    """Read `text-*:requests=60,tokens=1000`. Raises: BadParameter."""
    del context, parameter
    return tuple(map(_model_rate, values))


def _model_rate(value: str) -> ModelRate:
    pattern, _, rates = value.rpartition(":")
    said = {kind: most for kind, _, most in (rate.partition("=") for rate in rates.split(",") if rate)}
    if not pattern or not said.keys() <= {"requests", "tokens"}:
        raise click.BadParameter(
            f"{value}: write PATTERN:requests=60,tokens=1000 (or one of the two, or PATTERN: alone)"
        )
    requests, tokens = (_per_minute(said[kind]) if kind in said else None for kind in ("requests", "tokens"))
    return ModelRate(pattern, requests, tokens)
