"""Does an operator see what the cache saved, and what it cost?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from embedge.adapters.clock_system import SystemClock
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.cli.program import main
from embedge.core.request import Observation

if TYPE_CHECKING:
    from pathlib import Path

TODAY = datetime.fromtimestamp(SystemClock().now_s(), UTC).date().isoformat()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A laptop on which two tenants have asked."""

    async def count() -> None:
        database, clock = SqliteState(tmp_path / "embedge.db"), SystemClock()
        usage = LedgerUsage(SqliteLedgerTable(database, clock), clock, Pace(0, 9), list[str]().append)
        saved: dict[str, Any] = {
            "hits": 6,
            "misses": 2,
            "inputs": 8,
            "saved_nano_usd": 5_000_000,
            "cache_spent_nano_usd": 1_000_000,
        }
        await usage.add(Observation("acme", model="small", **saved))
        await usage.add(Observation("acme", model="small", **saved))
        await usage.add(Observation("umbrella", model="large", inputs=4, misses=4, cache_spent_nano_usd=2_000_000))
        database.close()

    asyncio.run(count())
    return tmp_path


def run(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--state", str(state), "cache", "report", *arguments])


def done(state: Path, *arguments: str) -> list[str]:
    result = run(state, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_each_model_of_each_tenant_and_all_are_told(state: Path) -> None:
    head, best, worst, total, *_ = done(state)
    assert head == "requests inputs hits misses hit rate saved cache cost net"
    assert best == "acme small 2 16 12 4 75.0 % 0.010000 0.002000 0.008000"
    assert worst == "umbrella large 1 4 0 4 0.0 % 0.000000 0.002000 -0.002000"
    assert total == "all 3 20 12 8 60.0 % 0.010000 0.004000 0.006000"


def test_each_day_has_a_line_and_a_bar_and_what_was_lost_looks_different(state: Path) -> None:
    lines = done(state, "--days", "3")
    assert lines[-1] == f"{TODAY} 0.006000 {'█' * 32}"
    assert [line.split()[1:] for line in lines[-3:-1]] == [["0.000000"]] * 2
    assert done(state, "--tenant", "umbrella", "--days", "1")[-1] == f"{TODAY} -0.002000 {'░' * 32}"


def test_one_tenant_s_report_has_nothing_of_another_s(state: Path) -> None:
    assert not any("umbrella" in line for line in done(state, "--tenant", "acme"))
    assert done(state, "--tenant", "nobody") == ["Nothing was asked for in these days."]


def test_a_picture_is_drawn_in_which_days_differ(state: Path) -> None:
    from PIL import Image  # noqa: PLC0415 (an extra's)

    done(state, "--png", str(state / "a.png"))
    done(state, "--days", "7", "--tenant", "umbrella", "--png", str(state / "b.png"))
    with Image.open(state / "a.png") as one, Image.open(state / "b.png") as other:
        assert (one.format, one.size) == ("PNG", (960, 400))
        green, red = (42, 127, 98), (200, 85, 61)
        assert {green, red} <= {colour for _, colour in one.getcolors(100_000) or ()}
        assert one.tobytes() != other.tobytes()


def test_where_pillow_is_missing_one_is_told_what_to_install(state: Path) -> None:
    program = "import sys; sys.modules['PIL'] = None; from embedge.cli.program import main; main()"
    wish = ["--state", str(state), "cache", "report", "--png", str(state / "c.png")]
    refused = subprocess.run([sys.executable, "-c", program, *wish], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: A picture needs Pillow: pip install 'embedge[chart]'\n"
