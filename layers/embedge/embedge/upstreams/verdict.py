"""What does a failed call mean: for trying again, and for the target's health? Pure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.breaker import Health
from embedge.errors import (
    EmbeddingsNotAvailable,
    EmbedgeError,
    UpstreamCold,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

# `here`: on this target, after a pause, and on others before. `cold`: the same, for a server that is starting.
# `reload`: once on this target after it was made to load its model. `elsewhere`: on other targets alone.
# `nowhere`: it is about the call itself. `uncovered`: there is no money for it, so it was not sent.
Again: TypeAlias = Literal["here", "cold", "reload", "elsewhere", "nowhere", "uncovered"]

# The server works, and has too much to do: that is no reason to stop asking it.
_BUSY = frozenset({408, 409, 425, 429, 529})


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that brought nothing: why, where trying again can help, and what it says of the target.

    `status` is what the target answered with, None where it did not.
    """

    error: EmbedgeError
    again: Again
    health: Health
    status: int | None = None


def failure(error: EmbedgeError, status: int | None = None) -> Failure:
    """Judge an error by its kind, and by the status that it came with where there was one."""
    match error:
        case UpstreamCold():
            return Failure(error, "cold", "neither", status)
        case EmbeddingsNotAvailable():
            return Failure(error, "reload", "neither", status)
        case UpstreamInvalidResponse():
            return Failure(error, "elsewhere", "bad", status)
        case UpstreamRejected():
            return Failure(error, "elsewhere", "neither", status)
        case UpstreamUnavailable() | UpstreamTimeout():
            again: Again = "elsewhere" if error.retry_after_s is None else "here"
            return Failure(error, again, "neither" if status in _BUSY else "bad", status)
        case _:
            return Failure(error, "nowhere", "neither", status)
