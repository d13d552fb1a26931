"""What do headers say of rates and money? The same on an answer and on an error."""

from collections.abc import Iterable
from functools import lru_cache

from embedge.core.dollars import dollars
from embedge.core.gcra import RateState
from embedge.core.request import Observation
from embedge.errors import RateLimited


def account_headers(cost_nano_usd: int, rates: Iterable[RateState]) -> dict[str, str]:
    """Return what was billed, and what is left of each rate."""
    headers = {"x-embedge-cost-usd": dollars(cost_nano_usd) if cost_nano_usd else "0"}
    for rate in rates:
        limit, remaining, reset = _names(rate.kind)
        headers[limit] = str(rate.limit)
        headers[remaining] = str(rate.remaining)
        headers[reset] = duration(rate.reset_us)
    return headers


def headers_of_refusal(error: Exception, seen: Observation) -> dict[str, str]:
    """Return the same of a request that was refused; nothing of one that never came as far as its rate."""
    refused = (
        (RateState(error.kind, error.limit, error.remaining, error.reset_us),) if isinstance(error, RateLimited) else ()
    )
    rates = seen.rates + refused
    return account_headers(seen.cost_nano_usd, rates) if rates else {}


def duration(microseconds: int) -> str:
    """Return a duration as OpenAI's headers write it: `12ms`, `2.812s`, `6m0s`."""
    milliseconds = -(-microseconds // 1000)
    if milliseconds < 1000:  # noqa: PLR2004 (a second)
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


@lru_cache(maxsize=16)
def _names(kind: str) -> tuple[str, str, str]:
    return f"x-ratelimit-limit-{kind}", f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"
