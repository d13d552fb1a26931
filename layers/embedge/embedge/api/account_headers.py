"""What do headers say of rates and money? The same on an answer and on an error."""

from collections.abc import Iterable, Iterator

from embedge.core.dollars import dollars
from embedge.core.gcra import RateState
from embedge.core.request import Observation
from embedge.errors import RateLimited


def account_headers(cost_nano_usd: int, rates: Iterable[RateState]) -> dict[str, str]:
    """Return what was billed, and what is left of each rate."""
    return {"x-embedge-cost-usd": dollars(cost_nano_usd), **dict(_of_rates(rates))}


def headers_of_refusal(error: Exception, seen: Observation) -> dict[str, str]:
    """Return the same of a request that was refused; nothing of one that never came as far as its rate."""
    refused = (
        (RateState(error.kind, error.limit, error.remaining, error.reset_us),) if isinstance(error, RateLimited) else ()
    )
    rates = seen.rates + refused
    return account_headers(seen.cost_nano_usd, rates) if rates else {}


def _of_rates(rates: Iterable[RateState]) -> Iterator[tuple[str, str]]:
    for rate in rates:
        yield f"x-ratelimit-limit-{rate.kind}", str(rate.limit)
        yield f"x-ratelimit-remaining-{rate.kind}", str(rate.remaining)
        yield f"x-ratelimit-reset-{rate.kind}", duration(rate.reset_us)


def duration(microseconds: int) -> str:
    """Return a duration as OpenAI's headers write it: `12ms`, `2.812s`, `6m0s`."""
    milliseconds = -(-microseconds // 1000)
    if milliseconds < 1000:  # noqa: PLR2004 (a second)
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
