"""Does the guard, started as Lambda starts it, block in DynamoDB, and without loading what answers requests?"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.core.tenant_document import parse_block
from tests.adapters.stores import PAIR, dynamodb_table
from tests.e2e.ministack import DYNAMODB, Ministack, ministack
from tests.e2e.tools import ROOT, need
from tests.guard.events import STACK, alarm_event

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guard")]

_INVOKE = """
import json, sys
sys.path[:0] = sys.argv[1:]
import app
for event in json.load(sys.stdin):
    app.handler(event, None)
assert not {"fastapi", "mangum", "starlette", "tiktoken"} & sys.modules.keys()
"""


def invoked(aws: Ministack, table: str, *events: dict[str, object]) -> list[Mapping[str, object]]:
    """Run the function in one process; return the lines that it wrote."""
    tables = {"EMBEDGE_CONTROL_TABLE": table, "EMBEDGE_LEDGER_TABLE": "none", "EMBEDGE_CACHE_TABLE": "none"}
    environment = {**aws.environment, **tables, "EMBEDGE_STACK_NAME": STACK}
    command = [sys.executable, "-c", _INVOKE, str(ROOT / "functions" / "guard"), str(ROOT / "layers" / "embedge")]
    done = subprocess.run(
        command, env=environment, input=json.dumps(events), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_one_process_acts_on_event_after_event_and_says_what_it_did() -> None:
    need("guard", "ministack")
    alarm = f"{STACK}/tenant/acme/block/day-100"
    with ministack(*DYNAMODB) as aws:
        async with dynamodb_table(aws.endpoint, PAIR) as (clients, table):
            events = (alarm_event(alarm, "ALARM", 7), alarm_event(alarm, "ALARM", 7), alarm_event(alarm, "OK", 6))
            lines = invoked(aws, table, *events)
            kept = await DynamoDbControlTable(clients, table).query("TENANT#acme")
    assert parse_block(kept[f"BLOCK#guard#{alarm}"]).blocked
    logged, blobs = lines[::2], lines[1::2]
    assert [line["deed"] for line in logged] == ["blocked", "blocked", "nothing: older than what is known"]
    assert [blob["guard_blocks"] for blob in blobs] == [[1.0], [1.0], [0.0]]
