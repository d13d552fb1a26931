"""Until when may this request run? On Lambda, so that there is still time to settle, store and answer."""

from collections.abc import Mapping
from typing import Any

# API Gateway gives up 29 s after it took a request (its quotas page, read 2026-08).
_GATEWAY_S = 29.0
# To settle, store what came, and flush.
_RESERVE_S = 1.5
# `sam local` says of every request that it came when SAM was started, and by this it is known.
# https://github.com/aws/aws-sam-cli/blob/v1.170.0/samcli/local/events/api_event.py
_SAM_LOCAL = ("1234567890", "123456")


def seconds_left(scope: Mapping[str, Any], now_s: float, longest_s: float) -> float:
    """Return how long this request may run: the least of the setting, Lambda's remaining time and API Gateway's.

    `now_s` is the wall clock, in seconds since the epoch.
    """
    left = [longest_s]
    if (context := scope.get("aws.context")) is not None and hasattr(context, "get_remaining_time_in_millis"):
        left.append(context.get_remaining_time_in_millis() / 1000 - _RESERVE_S)
    event: Any = scope.get("aws.event") or {}
    said: Any = event.get("requestContext", {})
    taken_ms: Any = said.get("requestTimeEpoch")
    if isinstance(taken_ms, int) and (said.get("apiId"), said.get("resourceId")) != _SAM_LOCAL:
        # A gateway whose clock is not ours may be ahead: then nothing has passed yet.
        left.append(_GATEWAY_S - _RESERVE_S - max(0.0, now_s - taken_ms / 1000))
    return max(0.0, min(left))
