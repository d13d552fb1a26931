"""Is what the cold-start benchmark reports what the function did?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.emulator import Function, start
from tests.e2e.tools import need

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow]

_HANDLER = """
import time

def spend(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

spend(0.3)
held = bytearray(100_000_000)

def handler(event, context):
    spend(event["seconds"])
    return {"statusCode": event["status"], "body": context.function_name}
"""


@pytest.fixture
def function(tmp_path: Path) -> Function:
    need("bench-cold", "python3.13", "sam", "runtime")
    (tmp_path / "app.py").write_text(_HANDLER)
    return Function("app.handler", tmp_path, [], {})


def test_what_initialising_the_first_and_the_later_requests_took_is_told_apart(function: Function) -> None:
    started = start(function, [{"seconds": seconds, "status": 200} for seconds in (0.2, 0.0, 0.1)])
    assert 300 < started.init_processor_ms < 900
    assert started.init_ms > 300
    assert 200 <= started.first_processor_ms < 290
    assert started.first_ms >= 200
    assert started.warm_processor_ms[0] < 90 <= started.warm_processor_ms[1]
    assert len(started.warm_ms) == 2
    assert 100 < started.memory_mb < 200


def test_a_request_that_failed_is_no_measurement(function: Function) -> None:
    with pytest.raises(SystemExit, match="The function answered"):
        start(function, [{"seconds": 0.0, "status": 500}])
