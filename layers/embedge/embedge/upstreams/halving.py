"""What if a call is more than a server takes at once? Its halves are calls of their own; pure.

So one input that is too long fails alone and by its name, and a server that takes 32 inputs at once is served by a
route that thought it took 2,048.
"""

from embedge.core.batching import UpstreamCall
from embedge.errors import CallTooLarge, EmbedgeError, RefusedByProvider

# For each call of the plan: 2,048 inputs in calls of 32 are 63 halvings, and one bad input among 2,048 is 11.
MOST_HALVINGS = 64


def halves(call: UpstreamCall) -> tuple[UpstreamCall, ...]:
    """Return the two halves of a call, none where it has but one input."""
    middle = len(call.misses) // 2
    return (UpstreamCall(call.misses[:middle]), UpstreamCall(call.misses[middle:])) if middle else ()


def by_name(error: EmbedgeError, call: UpstreamCall) -> EmbedgeError:
    """Name the input that a refusal is about, where only one was sent."""
    if isinstance(error, CallTooLarge | RefusedByProvider) and len(call.misses) == 1:
        return type(error)(error.message, param=f"input[{call.misses[0].index}]")
    return error
