"""Can an operator see which route drifted and why, and set an alarm on it?"""

from __future__ import annotations

import json
from io import StringIO

from embedge.adapters.drift_powertools import PowertoolsDrift
from embedge.core.space_check import Verdict, Watched

GOOD = Verdict("a", 8, 1.0, 1.0, 1.0)
DRIFTS = Verdict("b", 8, 1.0, 0.5, 1.0, "not those of a", drifted=True)
SILENT = Verdict("c", None, None, None, 1.0, "it cannot be reached")


def test_each_route_has_a_line_and_all_have_one_blob_of_metrics() -> None:
    stream = StringIO()
    reports = PowertoolsDrift("canary", "Embedge", "INFO", stream)
    reports.report(
        [Watched("fine", (GOOD,)), Watched("bad", (GOOD, DRIFTS, SILENT), ("b",)), Watched("odd", error="no")]
    )
    fine, bad, odd, blob = map(json.loads, stream.getvalue().splitlines())
    assert [line["level"] for line in (fine, bad, odd)] == ["INFO", "ERROR", "ERROR"]
    assert (bad["route"], bad["taken_out"]) == ("bad", ["b"])
    assert bad["problems"] == {"b": "not those of a", "c": "it cannot be reached"}
    assert odd["error"] == "no"
    names = {name: blob[name][0] for name in blob if name.startswith(("routes_", "targets_"))}
    assert names == {
        "routes_compared": 2,
        "routes_not_compared": 1,
        "targets_drifting": 1,
        "targets_silent": 1,
        "targets_taken_out": 1,
    }
    assert blob["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Embedge"


def test_nothing_to_compare_is_a_blob_of_zeros_so_that_silence_is_no_good_news() -> None:
    stream = StringIO()
    PowertoolsDrift("canary", "Embedge", "INFO", stream).report([])
    (blob,) = map(json.loads, stream.getvalue().splitlines())
    assert blob["routes_compared"] == [0]
