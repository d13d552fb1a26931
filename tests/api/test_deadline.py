"""Until when may a request run, whatever is said of when it came?"""

from __future__ import annotations

import pytest

from embedge.api.deadline import seconds_left

NOW_S = 1_780_000_000.0
LONGEST_S = 60.0


@pytest.mark.parametrize(
    ("taken_ms", "left_s"),
    [
        (NOW_S * 1000, 27.5),
        (NOW_S * 1000 - 10_000, 17.5),
        (NOW_S * 1000 - 40_000, 0.0),
        (NOW_S * 1000 + 5_000, 27.5),  # the gateway's clock is ahead
    ],
)
def test_the_gateway_s_wait_counts_from_when_it_took_the_request(taken_ms: float, left_s: float) -> None:
    scope = {"aws.event": {"requestContext": {"requestTimeEpoch": int(taken_ms)}}}
    assert seconds_left(scope, NOW_S, LONGEST_S) == pytest.approx(left_s)


def test_sam_local_says_when_it_was_started_and_is_not_believed() -> None:
    said = {"requestTimeEpoch": int(NOW_S - 3600) * 1000, "apiId": "1234567890", "resourceId": "123456"}
    assert seconds_left({"aws.event": {"requestContext": said}}, NOW_S, LONGEST_S) == LONGEST_S
    assert seconds_left({"aws.event": {"requestContext": said | {"apiId": "70ixmpl4fl"}}}, NOW_S, LONGEST_S) == 0


@pytest.mark.parametrize("event", [None, {}, {"requestContext": {"requestTimeEpoch": "soon"}}])
def test_without_a_time_the_longest_that_is_allowed_counts(event: object) -> None:
    assert seconds_left({"aws.event": event}, NOW_S, LONGEST_S) == LONGEST_S
