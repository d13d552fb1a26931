"""Does an operator see who has used what, as a table, for a spreadsheet and for a program?"""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.telemetry_stream import StreamTelemetry
from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.core.request import Observation

if TYPE_CHECKING:
    from tests.cli.laptop import Laptop

TODAY = datetime.fromtimestamp(SystemClock().now_s(), UTC).date().isoformat()


@pytest.fixture
def used(laptop: Laptop) -> Laptop:
    """A laptop on which two tenants have asked."""

    async def count() -> None:
        laptop.state.mkdir()
        database, clock = SqliteState(laptop.state / "embedge.db"), SystemClock()
        usage = LedgerUsage(SqliteLedgerTable(database, clock), clock, Pace(0, 9), list[str]().append)
        asked: list[dict[str, Any]] = [
            {"tenant": "acme", "model": "small", "bot": "search", "user": "ann", "cost_nano_usd": 160},
            {"tenant": "acme", "model": "small", "bot": "=HYPERLINK()", "user": "bob", "cost_nano_usd": 340},
            {"tenant": "umbrella", "model": "large", "project": "p", "user": "ann", "cost_nano_usd": 5_000_000},
        ]
        with (laptop.state / "embedge.log").open("w") as log:
            telemetry = StreamTelemetry("embedge", "Embedge", "INFO", log, clock)
            for one in asked:
                seen = Observation(inputs=2, misses=2, tokens_served=8, tokens_billed=8, **one)
                await usage.add(seen)
                telemetry.record(seen, 200, 1.0, "id")
            telemetry.record(Observation("acme"), 200, 1.0, "models")  # a list of models is no usage
        database.close()

    asyncio.run(count())
    return laptop


def lines(laptop: Laptop, *options: str) -> list[str]:
    return [" ".join(line.split()) for line in laptop.done("usage", *options).splitlines()]


def test_a_line_for_each_and_one_for_all_and_a_bar_for_each_day(used: Laptop) -> None:
    head, large, small, everything, _, _, *days = lines(used, "--days", "2")
    assert head == "model requests inputs hits misses served billed cost saved cache cost net saved"
    assert large == "large 1 2 0 2 8 8 0.005000 0.000000 0.000000 0.000000"
    assert small == "small 2 4 0 4 16 16 0.000000500 0.000000 0.000000 0.000000"
    assert everything.startswith("all 3 6 0 6 24 24 0.005000")
    assert days[-1] == f"{TODAY} 0.005000 {'█' * 32}"
    assert len(days) == 2


@pytest.mark.parametrize(
    ("by", "named"),
    [
        ("tenant", {"acme": 2, "umbrella": 1}),
        ("bot", {"search": 1, "=HYPERLINK()": 1, "default": 1}),
        ("project", {"": 2, "p": 1}),
        ("day", {TODAY: 3}),
        ("user", {"ann": 2, "bob": 1}),
    ],
)
def test_every_kind_of_line_adds_up_to_the_same(used: Laptop, by: str, named: dict[str, int]) -> None:
    found = json.loads(used.done("usage", "--by", by, "--format", "json"))
    assert {one[by]: one["requests"] for one in found} == named
    assert sum(one["tokens_billed"] for one in found) == 24


def test_dollars_are_exact_and_no_name_is_a_formula(used: Laptop) -> None:
    text = used.done("usage", "--by", "bot", "--format", "csv", "--tenant", "acme")
    found = {row["bot"]: row["cost_usd"] for row in csv.DictReader(text.splitlines())}
    assert found == {"search": "0.00000016", "'=HYPERLINK()": "0.00000034"}


@pytest.mark.parametrize("by", ["model", "user"])
def test_one_tenant_is_one_tenant_s_whether_from_rows_or_from_the_log(used: Laptop, by: str) -> None:
    found = json.loads(used.done("usage", "--by", by, "--format", "json", "--tenant", "umbrella"))
    assert [(one["requests"], one["cost_usd"]) for one in found] == [(1, "0.005")]


@pytest.mark.parametrize("by", ["model", "user"])
def test_where_nothing_was_used_that_is_said(laptop: Laptop, by: str) -> None:
    assert laptop.done("usage", "--by", by) == "Nothing was asked for in these days.\n"
