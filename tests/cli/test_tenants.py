"""Does an operator see what was said of a tenant, and say it with one command?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from embedge import tenancy
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.balance import Claim
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.core.tenant_document import TenantDocument
from embedge.errors import BudgetSpent

if TYPE_CHECKING:
    from tests.cli.laptop import Laptop


def test_what_was_put_is_shown_and_what_was_not_is_the_default(laptop: Laptop) -> None:
    laptop.done("tenant", "put", "acme", "--budget", "month=50", "--budget", "day=5", "--requests-per-minute", "600")
    laptop.done("tenant", "put", "acme", "--models", "text-*", "--models", "voyage-*", "--budget", "day=none")
    shown = laptop.done("tenant", "show", "acme")
    assert shown.splitlines() == [
        "acme (version 2)",
        "  budget day           none",
        "  budget month         $50",
        "  budget total         (default)",
        "  requests per minute  600",
        "  tokens per minute    (default)",
        "  models               text-* voyage-*",
        "  tier                 auto",
        "  not blocked",
        "  the ledger has nothing of it",
    ]


def spend(laptop: Laptop, usd: int) -> None:
    """Let a process that has heard of the tenant's limits pay so much."""
    state, clock = SqliteState(laptop.state / "embedge.db"), SystemClock()

    async def paid() -> None:
        document = (await tenancy.known(SqliteControlTable(state), "acme")).document or TenantDocument()
        acme = Principal("acme", frozenset(), (), document.limits(Limits(1, 1, NO_LIMIT, NO_LIMIT, NO_LIMIT)))
        hold = await PurseLedger(SqliteLedgerTable(state, clock), clock).take(acme, Claim(usd * 10**9, 0))
        (await hold.attempt(usd * 10**9, usd * 10**9)).billed(usd * 10**9)
        await hold.settle()

    asyncio.run(paid())
    state.close()


def test_a_limit_is_shown_to_bind_once_the_ledger_has_its_version(laptop: Laptop) -> None:
    laptop.done("tenant", "put", "acme", "--budget", "month=30")
    spend(laptop, 10)
    laptop.done("tenant", "put", "acme", "--budget", "month=12")
    *_, ledger = laptop.done("tenant", "show", "acme").splitlines()
    assert ledger == "  the ledger has version 1; $10 of $30 taken, month"
    spend(laptop, 1)
    *_, ledger = laptop.done("tenant", "show", "acme").splitlines()
    assert ledger == "  the ledger has version 2; $11 of $12 taken, month"
    with pytest.raises(BudgetSpent):
        spend(laptop, 2)


def test_default_takes_back_what_was_put(laptop: Laptop) -> None:
    laptop.done("tenant", "put", "acme", "--tier", "flex", "--tokens-per-minute", "7", "--budget", "total=1")
    put = laptop.done(
        *("tenant", "put", "acme", "--tier", "auto", "--tokens-per-minute", "default", "--budget", "total=default")
    )
    assert "(default)" in put
    assert "flex" not in put
    assert " 7" not in put


def test_rates_of_models_and_room_above_the_rate_are_put_and_taken_back(laptop: Laptop) -> None:
    laptop.done("tenant", "put", "acme", "--model-rate", "a:b*:requests=6,tokens=7", "--over-limit-percent", "50")
    put = laptop.done("tenant", "put", "acme", "--model-rate", "c:tokens=9")
    assert "  a:b*: 6 requests, 7 tokens per minute\n  c: 9 tokens per minute\n  50 % more" in put
    put = laptop.done("tenant", "put", "acme", "--model-rate", "c:", "--over-limit-percent", "0")
    assert "c: 9" not in put
    assert "%" not in put
    assert laptop.run("tenant", "put", "acme", "--model-rate", "c:pages=9").exit_code == 2


def test_a_list_has_a_line_for_each_tenant_and_says_who_has_blocked_it(laptop: Laptop) -> None:
    laptop.done("tenant", "put", "zoo", "--budget", "day=1")
    laptop.done("tenant", "block", "acme", "--reason", "asked to")
    lines = laptop.done("tenant", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["TENANT", "acme", "zoo"]
    assert lines[1].endswith("BLOCKED by operator")
    assert "BLOCKED" not in lines[2]


def test_a_block_is_taken_back_by_who_made_it(laptop: Laptop) -> None:
    assert "asked to" in laptop.done("tenant", "block", "acme", "--reason", "asked to")
    assert laptop.done("tenant", "unblock", "acme").splitlines()[-1] == "  not blocked"
    assert "BLOCKED" in laptop.done("tenant", "block", "--everybody") or "  blocked" in laptop.done(
        "tenant", "show", "*"
    )
    laptop.done("tenant", "unblock", "--everybody")


@pytest.mark.parametrize(
    "budget", ["week=1", "day", "day=", "day=x", "day=-1", "day=NaN", "day=1e999", "day=0.0000000001", "=1"]
)
def test_what_is_no_budget_is_not_put(laptop: Laptop, budget: str) -> None:
    assert laptop.run("tenant", "put", "acme", "--budget", budget).exit_code == 2
    assert "acme" not in laptop.done("tenant", "list")


@pytest.mark.parametrize("rate", ["0", "-1", "1.5", "x", "\u0661", "9" * 40])
def test_what_is_no_rate_is_not_put(laptop: Laptop, rate: str) -> None:
    assert laptop.run("tenant", "put", "acme", "--requests-per-minute", rate).exit_code == 2


def test_what_cannot_be_done_says_why_in_one_line(laptop: Laptop) -> None:
    assert "1 to 64 letters" in laptop.refused("tenant", "put", "a b", "--budget", "day=1")
    assert "Nobody has said anything" in laptop.refused("tenant", "show", "acme")
    assert "Nothing named guard#x" in laptop.refused("tenant", "unblock", "acme", "--source", "guard#x")
    assert laptop.run("tenant", "block").exit_code == 2
    assert laptop.run("tenant", "block", "acme", "--everybody").exit_code == 2
