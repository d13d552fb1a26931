"""Is it worth trying again, and after how long? Pure."""

from embedge.errors import EmbedgeError, UpstreamInvalidResponse, UpstreamRejected

MAX_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.1


def worth_trying_again(error: EmbedgeError, attempt: int, targets: int) -> bool:
    """Tell whether another attempt can help: on the same target if it was busy, on another also if this one is broken.

    `attempt` counts from 0.
    """
    if attempt + 1 >= MAX_ATTEMPTS:
        return False
    if isinstance(error, UpstreamInvalidResponse | UpstreamRejected):
        return attempt + 1 < targets
    return error.retry_after_s is not None


def pause_s(error: EmbedgeError, attempt: int, random: float) -> float:
    """Return how long to wait: what the server asked for, or twice as long each time, with full jitter."""
    return max(error.retry_after_s or 0.0, _FIRST_PAUSE_S * 2**attempt * random)
