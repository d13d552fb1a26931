"""Is what the cold-start benchmark reports what the function did?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.function.emulator import start
from benchmarks.function.environment import Program
from tests.e2e.tools import ROOT, need, python313

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
def program(tmp_path: Path) -> Program:
    need("bench-cold", "python3.13", "sam", "runtime")
    python = python313()
    assert python is not None
    (folder := tmp_path / "function").mkdir()
    (folder / "app.py").write_text(_HANDLER)
    return Program("app", python, [folder, ROOT / ".tools/runtime/lib/python3.13/site-packages"], {})


def asking(seconds: float, status: int = 200) -> bytes:
    return json.dumps({"seconds": seconds, "status": status}).encode()


def test_what_initialising_the_first_and_the_later_requests_took_is_told_apart(
    program: Program, tmp_path: Path
) -> None:
    started = start(program, [asking(seconds) for seconds in (0.2, 0.0, 0.1)], tmp_path)
    assert 300 < started.init_processor_ms < 900
    assert started.init_ms > 300
    assert 200 <= started.first_processor_ms < 290
    assert started.first_ms >= 200
    assert started.warm_processor_ms[0] < 90 <= started.warm_processor_ms[1]
    assert len(started.warm_ms) == 2
    assert 100 < started.memory_mb < 200


def test_a_request_that_failed_is_no_measurement(program: Program, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="The function answered"):
        start(program, [asking(0.0, 500)], tmp_path)
