"""Does the log say of each request what its row was given, to the last nano-dollar?"""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.request import Observation
from embedge.core.usage import counts_of, row_of
from embedge.core.usage_record import UsageRecord, read_record

COUNTS = st.integers(0, 10**9)
MONEY = st.integers(0, 10**15)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "P", "S"]), max_size=9)
SEEN = st.builds(
    Observation,
    tenant=WORDS.filter(bool),
    bot=WORDS,
    project=WORDS,
    user=WORDS,
    model=WORDS.filter(bool),
    inputs=COUNTS,
    hits=COUNTS,
    misses=COUNTS,
    tokens_served=COUNTS,
    tokens_billed=COUNTS,
    cost_nano_usd=MONEY,
    saved_nano_usd=MONEY,
    cache_spent_nano_usd=MONEY,
    usage_day=st.just("2027-01-15"),
)


def logged(seen: Observation) -> list[str]:
    stream = io.StringIO()
    StreamTelemetry("embedge", "Embedge", "INFO", stream, SystemClock()).record(seen, 200, 1.0, "id")
    return stream.getvalue().split("\n")


@given(SEEN)
def test_a_record_is_what_was_added_up_and_each_request_has_one(seen: Observation) -> None:
    (record,) = [one for line in logged(seen) if (one := read_record(line)) is not None]
    assert record == UsageRecord(row_of(seen, "2027-01-15"), counts_of(seen), seen.user, record.at_ms)
    assert record.at_ms > 10**12


def test_what_was_not_added_up_is_no_record() -> None:
    assert not [line for line in logged(Observation("acme", user="u")) if read_record(line)]


GOOD = {"_aws": {"Timestamp": 1}, "usage_day": "2027-01-15", "tenant": "t", "requests": [1.0]}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "START RequestId: usage_day _aws",
        '{"usage_day": "_aws"',
        '["usage_day", "_aws"]',
        json.dumps({**GOOD, "_aws": 1}),
        json.dumps({**GOOD, "_aws": {}}),
        json.dumps({**GOOD, "tenant": 1}),
        json.dumps({**GOOD, "tenant": ""}),
        json.dumps({**GOOD, "bot": {}}),
    ],
)
def test_a_line_that_is_something_else_is_passed_over(line: str) -> None:
    assert read_record(json.dumps(GOOD)) is not None
    assert read_record(line) is None
