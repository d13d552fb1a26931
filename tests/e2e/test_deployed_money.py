"""Does the deployed whole block whom an alarm is about, add what nobody had written, and tell who spends?"""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.core.request import Observation
from tests.e2e.curl import Answer, curl
from tests.e2e.deploy import STACK
from tests.e2e.deployed import EMBEDGE, MODEL
from tests.e2e.tools import SAM_PYTHON, run
from tests.guard.events import alarm_event

if TYPE_CHECKING:
    from tests.e2e.deployed import Deployed

# One deployment serves them all, so one process runs them all.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]

# Nobody but AWS may send CloudWatch's events, and the emulator sends none: what the rule lets pass goes to its target.
_SEND = """
import boto3, json, sys
event, events = sys.stdin.read(), boto3.client("events")
(rule,) = [rule for rule in events.list_rules()["Rules"] if "alarmName" in rule.get("EventPattern", "")]
if events.test_event_pattern(EventPattern=rule["EventPattern"], Event=event)["Result"]:
    for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
        boto3.client("lambda").invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=event)
"""
_LOG = """
import boto3, json, sys
logs = boto3.client("logs")
logs.create_log_stream(logGroupName=sys.argv[1], logStreamName="a dead process")
events = [{"timestamp": when, "message": text} for when, text in json.load(sys.stdin)]
logs.put_log_events(logGroupName=sys.argv[1], logStreamName="a dead process", logEvents=events)
"""
_SAID = """
import boto3, json, sys
events = boto3.client("logs").filter_log_events(logGroupName=sys.argv[1])["events"]
print(json.dumps([event["message"] for event in events]))
"""
SPENDER = f"{STACK}/tenant/spender/block/month-100"


def send(deployed: Deployed, state: str) -> None:
    event = json.dumps(alarm_event(SPENDER, state, time.time()))
    run(SAM_PYTHON, "-c", _SEND, environment=deployed.aws.environment, stdin=event)


def operator(deployed: Deployed, *arguments: str) -> str:
    return run(*EMBEDGE, *arguments, environment=deployed.aws.environment)


def wait_for(deployed: Deployed, said: str) -> None:
    deadline = time.monotonic() + 30
    while said not in (shown := operator(deployed, "tenant", "show", "spender")):
        assert time.monotonic() < deadline, shown
        time.sleep(0.5)


def asked(deployed: Deployed, token: str, text: str) -> Answer:
    body = json.dumps({"model": MODEL, "input": text}).encode()
    options = ("--header", f"Authorization: Bearer {token}", "--header", "Content-Type: application/json")
    return curl(f"{deployed.url}/v1/embeddings", *options, body=body)


def test_an_alarm_that_goes_off_blocks_its_tenant_and_its_end_lets_it_in(deployed: Deployed) -> None:
    token = deployed.mint("--tenant", "spender")
    put = operator(deployed, "tenant", "put", "spender", "--budget", "month=50", "--alarm")
    assert f"alarm {SPENDER}" in put
    assert asked(deployed, token, "before").status == 200
    send(deployed, "ALARM")
    wait_for(deployed, f"blocked by guard#{SPENDER}")
    deadline = time.monotonic() + 40
    while (answer := asked(deployed, token, "meanwhile")).status != 429:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert answer.error()["code"] == "tenant_blocked"
    assert asked(deployed, deployed.token, "another tenant's").status == 200
    send(deployed, "OK")
    wait_for(deployed, "not blocked")
    operator(deployed, "tenant", "put", "spender", "--no-alarm")


def test_a_spent_budget_refuses_what_costs_and_serves_what_does_not(deployed: Deployed) -> None:
    token = deployed.mint("--tenant", "frugal")
    # A token costs 10 nano-dollars, so these are ten tokens: one word, and no sentence after it.
    operator(deployed, "tenant", "put", "frugal", "--budget", "month=0.00000010")
    assert asked(deployed, token, "enough").status == 200
    refused = asked(deployed, token, "a text that nobody has paid for")
    assert (refused.status, refused.error()["code"]) == (429, "insufficient_quota")
    assert refused.headers["x-should-retry"] == "false"
    again = asked(deployed, token, "enough")
    assert (again.status, again.headers["x-embedge-cache"]) == (200, "hits=1; misses=0")
    assert float(again.headers["x-embedge-cost-usd"]) == 0


def logged(when_ms: int, bot: str, **more: Any) -> tuple[int, str]:
    stream = io.StringIO()
    day = datetime.fromtimestamp(when_ms / 1000, UTC).date().isoformat()
    seen = Observation("stranded", model="small", bot=bot, user="ann", inputs=2, misses=2, usage_day=day, **more)
    StreamTelemetry(STACK, "Embedge", "INFO", stream, SystemClock()).record(seen, 200, 1.0, bot)
    return when_ms, stream.getvalue()


def test_what_only_the_log_knows_is_added_once_to_the_usage(deployed: Deployed) -> None:
    hour_ago_ms = int(time.time() * 1000) - 3_600_000
    lines = [logged(hour_ago_ms, "search", cost_nano_usd=160), logged(hour_ago_ms + 1, "chat", cost_nano_usd=40)]
    group = f"/aws/lambda/{STACK}-api"
    run(SAM_PYTHON, "-c", _LOG, group, environment=deployed.aws.environment, stdin=json.dumps(lines))
    reading = ("usage", "--tenant", "stranded", "--days", "2", "--format", "json", "--by")
    assert json.loads(operator(deployed, *reading, "bot")) == []
    for _ in range(2):
        deployed.invoke("reconcile", "{}")
        found = json.loads(operator(deployed, *reading, "bot"))
        assert {one["bot"]: (one["requests"], one["cost_usd"]) for one in found} == {
            "search": (1, "0.00000016"),
            "chat": (1, "0.00000004"),
        }
    by_user = json.loads(operator(deployed, *reading, "user"))
    assert [(one["user"], one["requests"]) for one in by_user] == [("ann", 2)]
    said = json.loads(
        run(SAM_PYTHON, "-c", _SAID, f"/aws/lambda/{STACK}-reconcile", environment=deployed.aws.environment)
    )
    ours = [json.loads(line) for text in said for line in text.splitlines() if line.startswith("{")]
    runs = [line["usage_repaired_requests"] for line in ours if line.get("message") == "reconciled"]
    assert runs == [2, 0]
    assert [line["tenant"] for line in ours if line.get("message") == "usage drifts"] == ["stranded"]


def test_a_tenant_sees_what_it_used_and_what_is_left(deployed: Deployed) -> None:
    token = deployed.mint("--tenant", "curious")
    assert asked(deployed, token, "what does this cost?").status == 200
    answer = curl(f"{deployed.url}/v1/usage?days=1&group_by=model,bot", "--header", f"Authorization: Bearer {token}")
    assert answer.status == 200
    found = answer.json()
    assert found["total"]["requests"] == 1
    assert float(found["total"]["cost_usd"]) > 0
    assert [one["period"] for one in found["budgets"]] == ["day", "month"]
    assert [(one["model"], one["bot"]) for one in found["groups"]] == [("all-MiniLM-L6-v2", "default")]
