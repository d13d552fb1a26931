"""Does the canary, started as Lambda starts it, take a drifting target out of the routes in DynamoDB?"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.control_dynamodb import DynamoDbControlTable
from tests.adapters.stores import PAIR, dynamodb_table
from tests.cli.providers import provider
from tests.core.samples import document
from tests.e2e.ministack import DYNAMODB, Ministack, ministack
from tests.e2e.tools import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("canary")]

_INVOKE = """
import sys
sys.path[:0] = sys.argv[1:]
import app
for _ in range(2):
    app.handler({}, None)
"""


def invoked(aws: Ministack, table: str) -> list[Mapping[str, object]]:
    """Run the function twice in one process; return the lines that it wrote."""
    tables = {"EMBEDGE_CONTROL_TABLE": table, "EMBEDGE_LEDGER_TABLE": "none", "EMBEDGE_CACHE_TABLE": "none"}
    command = [sys.executable, "-c", _INVOKE, str(ROOT / "functions" / "canary"), str(ROOT / "layers" / "embedge")]
    done = subprocess.run(command, env={**aws.environment, **tables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_a_target_that_drifts_is_out_after_one_run_and_the_next_finds_all_well() -> None:
    need("canary", "ministack")
    with ministack(*DYNAMODB) as aws, provider() as first, provider() as second, provider() as third:
        second.seed = 1
        targets = [server.target(name) for name, server in (("a", first), ("b", second), ("c", third))]
        async with dynamodb_table(aws.endpoint, PAIR) as (clients, table):
            control = DynamoDbControlTable(clients, table)
            await control.put("ROUTES", "small", json.dumps(document(targets=targets)))
            lines = await asyncio.to_thread(invoked, aws, table)
            kept = json.loads((await control.query("ROUTES"))["small"])
    assert [target["id"] for target in kept["targets"] if "disabled" in target] == ["b"]
    found, counts, again, counts_again = lines
    assert (found["taken_out"], again["taken_out"], again["problems"]) == (["b"], [], {})
    assert (counts["targets_taken_out"], counts_again["targets_taken_out"]) == ([1], [0])
