"""Is what was logged read again, from the laptop's files and from CloudWatch Logs, each line once and in its window?"""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.adapters.usage_records_cloudwatch import CloudWatchUsageRecords
from embedge.adapters.usage_records_file import FileUsageRecords
from embedge.core.request import Observation
from embedge.errors import ServiceUnavailable
from tests.e2e.ministack import ministack
from tests.e2e.tools import SAM_PYTHON, need, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.core.usage_record import UsageRecord
    from embedge.ports import UsageRecords

_PUT = """
import boto3, json, sys
logs = boto3.client("logs")
logs.create_log_group(logGroupName="g")
logs.create_log_stream(logGroupName="g", logStreamName="s")
events = [{"timestamp": t, "message": m} for t, m in json.load(sys.stdin)]
logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
"""
NOW_MS = int(time.time() * 1000) // 1000 * 1000 - 60_000


def lines(*at_ms: int) -> list[tuple[int, str]]:
    """Return what requests leave in the log at these times: a line and a blob each, in one event."""
    written: list[tuple[int, str]] = []
    for number, when in enumerate(at_ms):
        stream = io.StringIO()
        seen = Observation("acme", model="small", bot=str(number), user="u", cost_nano_usd=160, usage_day="2027-01-15")
        StreamTelemetry("embedge", "Embedge", "INFO", stream, SystemClock()).record(seen, 200, 1.0, "id")
        line, blob = stream.getvalue().splitlines()
        dated: dict[str, Any] = json.loads(blob)
        dated["_aws"]["Timestamp"] = when
        written.append((when, f"{line}\n{json.dumps(dated)}"))
    return written


async def bots(records: UsageRecords, start_ms: int, end_ms: int) -> list[str]:
    found: list[UsageRecord] = [one async for one in records.read(start_ms, end_ms)]
    assert all((one.row.tenant, one.row.day, one.user) == ("acme", "2027-01-15", "u") for one in found)
    return sorted(one.row.bot for one in found)


@pytest.fixture(params=["files", "CloudWatch"])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[UsageRecords]:
    logged = lines(NOW_MS, NOW_MS + 1, NOW_MS + 2, NOW_MS + 3)
    if request.param == "files":
        (tmp_path / "embedge.log.1").write_text("\n".join(text for _, text in logged[:2]) + "\n")
        (tmp_path / "embedge.log").write_text("\n".join(text for _, text in logged[2:]) + "\nhalf a li")
        yield FileUsageRecords(tmp_path / "embedge.log")
        return
    need("logs", "ministack", "sam")
    with ministack("logs") as aws:
        run(SAM_PYTHON, "-c", _PUT, environment=aws.environment, stdin=json.dumps(logged))
        clients = AwsClients(StandIn(aws.endpoint, "us-east-1", "test", "test"))
        yield CloudWatchUsageRecords(clients, "g")
        await clients.close()


async def test_a_window_has_what_was_logged_in_it_and_the_next_has_the_rest(records: UsageRecords) -> None:
    assert await bots(records, NOW_MS, NOW_MS + 2) == ["0", "1"]
    assert await bots(records, NOW_MS + 2, NOW_MS + 9) == ["2", "3"]
    assert await bots(records, NOW_MS + 9, NOW_MS + 99) == []


class Pages:
    """CloudWatch's client: a page with nothing in it comes too, and says that there are more."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def filter_log_events(self, **options: Any) -> Any:
        self.asked.append(options)
        event = [{"timestamp": when, "message": text} for when, text in lines(NOW_MS)]
        pages: list[Any] = [{"events": event, "nextToken": "a"}, {"events": [], "nextToken": "b"}, {"events": event}]
        return pages[len(self.asked) - 1]


class Paged(AwsClients):
    """Clients of which there is one."""

    def __init__(self, pages: Pages) -> None:
        super().__init__()
        self._pages = pages

    async def logs(self) -> Any:  # pyright: ignore[reportImplicitOverride]
        return self._pages


async def test_every_page_is_asked_for_also_after_an_empty_one() -> None:
    pages = Pages()
    assert await bots(CloudWatchUsageRecords(Paged(pages), "g"), 0, NOW_MS + 1) == ["0", "0"]
    assert [asked.get("nextToken") for asked in pages.asked] == [None, "a", "b"]
    assert all(asked["filterPattern"] == '{ $.usage_day = "*" && $._aws.Timestamp > 0 }' for asked in pages.asked)


async def test_a_log_that_is_not_there_is_said_to_be_out_of_reach(tmp_path: Path) -> None:
    assert await bots(FileUsageRecords(tmp_path / "none.log"), 0, NOW_MS * 2) == []
    (tmp_path / "folder.log").mkdir()
    with pytest.raises(ServiceUnavailable):
        await bots(FileUsageRecords(tmp_path / "folder.log"), 0, 1)
