"""Is a request served in the tier that it asks for, and told which it was?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.api.client import Caller, error_of
from tests.embed.world import LIMITS, MODEL, Setup


def caller(**limits: int) -> Caller:
    return Caller(Setup(limits=replace(LIMITS, **limits)))


async def test_nobody_is_told_of_tiers_who_names_none_and_has_none() -> None:
    asking = caller()
    for tier in ({}, {"service_tier": None}):
        assert "service_tier" not in (await asking.embed({"model": MODEL, "input": "a", **tier})).json()


@pytest.mark.parametrize(("asks", "served"), [("auto", "default"), ("default", "default"), ("flex", "flex")])
@pytest.mark.parametrize("over", [0, 50])
async def test_who_names_a_tier_is_told_which_it_was(asks: str, served: str, over: int) -> None:
    asking = caller(over_limit_percent=over)
    for _ in range(2):  # a miss, and its hit
        answer = await asking.embed({"model": MODEL, "input": "a", "service_tier": asks})
        assert answer.json()["service_tier"] == served


async def test_beyond_the_guaranteed_rate_auto_is_over_limit_and_default_is_refused() -> None:
    asking = caller(requests_per_minute=10, over_limit_percent=50)
    tiers = [(await asking.ask(str(number))).json()["service_tier"] for number in range(15)]
    assert tiers == ["default"] * 10 + ["over-limit"] * 5
    for asks in (None, "auto", "default", "flex"):
        refused = await asking.embed({"model": MODEL, "input": "a", "service_tier": asks})
        assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"


async def test_flex_takes_nothing_of_the_allowance_and_has_less_room() -> None:
    asking = caller(requests_per_minute=10, over_limit_percent=100)
    flex = [await asking.embed({"model": MODEL, "input": str(n), "service_tier": "flex"}) for n in range(11)]
    assert [answer.status_code for answer in flex] == [200] * 10 + [429]
    assert flex[9].headers["x-ratelimit-remaining-requests"] == "10"
    tiers = [(await asking.ask(f"more {number}")).json()["service_tier"] for number in range(10)]
    assert tiers == ["default"] * 10


async def test_tokens_have_tiers_too_and_a_budget_binds_them_all() -> None:
    asking = caller(tokens_per_minute=100, over_limit_percent=100)
    assert (await asking.ask("a" * 90)).json()["service_tier"] == "default"
    assert (await asking.ask("b" * 90)).json()["service_tier"] == "over-limit"
    flex = await asking.embed({"model": MODEL, "input": "c" * 30, "service_tier": "flex"})
    assert (flex.status_code, error_of(flex)["type"]) == (429, "tokens")
    spent = caller(day_nano_usd=10, over_limit_percent=100)
    for asks in ("auto", "default", "flex"):
        refused = await spent.embed({"model": MODEL, "input": "d" * 90, "service_tier": asks})
        assert error_of(refused)["code"] == "insufficient_quota"


async def test_while_the_ledger_is_away_there_is_no_flex_and_a_tenth_of_the_rate() -> None:
    asking = caller(requests_per_minute=50, over_limit_percent=100)
    assert (await asking.ask("a")).status_code == 200
    asking.world.table.down = True
    statuses = [(await asking.ask("a")).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    flex = await asking.embed({"model": MODEL, "input": "a", "service_tier": "flex"})
    assert (flex.status_code, flex.headers["retry-after"]) == (429, "5")


async def test_who_may_have_no_more_than_flex_is_served_so_and_told() -> None:
    asking = caller(requests_per_minute=10)
    asking.world.control.documents["TENANT#acme", "CONF"] = '{"version": 1, "tier": "flex"}'
    for asks in ({}, {"service_tier": "auto"}, {"service_tier": "default"}):
        answer = await asking.embed({"model": MODEL, "input": "a", **asks})
        assert answer.json()["service_tier"] == "flex"
