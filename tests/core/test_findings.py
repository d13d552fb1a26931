"""What does the doctor make of capacity and of log lines?"""

from __future__ import annotations

import json

import pytest

from embedge.core.findings import Capacity, Unreadable, capacity_findings, metrics_finding

WELL = Capacity(memory_mb=1024, timeout_s=30, reserved=None, account=1000)


def blob(**fields: object) -> str:
    return json.dumps({"_aws": {"Timestamp": 1}, "request_id": "mine", **fields})


def test_enough_of_everything_is_one_good_line() -> None:
    (finding,) = capacity_findings(WELL)
    assert finding.outcome == "ok"
    assert "1,000 requests at once" in finding.what


@pytest.mark.parametrize(
    ("capacity", "named"),
    [
        (Capacity(128, 30, None, 1000), "128 MB"),
        (Capacity(1024, 3, None, 1000), "3 s"),
        (Capacity(1024, 30, 0, 1000), "concurrency is 0"),
        (Capacity(1024, 30, 5, 1000), "only 5 requests"),
        (Capacity(1024, 30, None, 10), "only 10 requests"),
    ],
)
def test_too_little_of_one_thing_is_named_with_what_to_do(capacity: Capacity, named: str) -> None:
    (failed,) = [finding for finding in capacity_findings(capacity) if finding.outcome == "fail"]
    assert named in failed.what
    assert failed.mend


def test_what_may_not_be_seen_is_skipped_with_its_reason() -> None:
    (finding,) = capacity_findings(Unreadable("AccessDenied"))
    assert (finding.outcome, finding.mend) == ("skip", "AccessDenied")


def test_the_request_is_found_by_its_id_among_other_lines() -> None:
    lines = ["START RequestId", "{", '"mine"', blob(request_id="another"), blob()]
    assert metrics_finding(lines, "mine").outcome == "ok"
    assert metrics_finding(lines[:-1], "mine").outcome == "fail"


def test_faults_that_nobody_was_told_of_are_named() -> None:
    finding = metrics_finding([blob(), blob(request_id="another", fault_cache_read=[2.0])], "mine")
    assert finding.outcome == "fail"
    assert "cache_read" in finding.what


def test_what_the_router_has_got_over_is_no_fault() -> None:
    assert metrics_finding([blob(fault_call_retried=[1.0], fault_rechecked=[1.0])], "mine").outcome == "ok"
