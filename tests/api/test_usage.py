"""Does a caller see what its tenant has used, what that cost, and what is left, to the last nano-dollar?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from embedge.core.request import Observation
from tests.api.client import Caller, error_of
from tests.embed.world import LIMITS, MODEL, PRICE, Setup, tokens_of

if TYPE_CHECKING:
    import httpx

DAY_S = 86_400
TODAY = "2027-01-15"


async def get(caller: Caller, query: str = "", **token: Any) -> httpx.Response:
    """Ask for the usage with a token that differs so from the usual."""
    headers = {"authorization": f"Bearer {caller.token(**token)}"}
    return await caller.send("GET", f"/v1/usage{query}", headers=headers)


async def answer(caller: Caller, query: str = "", **token: Any) -> dict[str, Any]:
    response = await get(caller, query, **token)
    assert response.status_code == 200, response.text
    return response.json()


async def test_what_was_asked_for_is_there_at_once_with_its_cost_and_what_is_left() -> None:
    caller = Caller()
    text = "a text that is embedded"
    await caller.ask([text])
    await caller.ask([text, text])
    cost = tokens_of(text) * PRICE // 10**6
    found = await answer(caller)
    assert (found["object"], found["tenant"], found["start"], found["end"]) == ("usage", "acme", "2027-01-09", TODAY)
    assert found["total"] == {
        "requests": 2,
        "inputs": 3,
        "cache_hits": 2,
        "cache_misses": 1,
        "tokens_served": 3 * tokens_of(text),
        "tokens_billed": tokens_of(text),
        "cost_usd": f"0.{cost:09d}".rstrip("0"),
        "saved_usd": f"0.{2 * cost:09d}".rstrip("0"),
        "cache_cost_usd": "0",
        "net_saved_usd": f"0.{2 * cost:09d}".rstrip("0"),
    }
    assert found["days"] == [{"day": TODAY, **found["total"]}]
    assert found["models"] == [{"model": MODEL, **found["total"]}]
    assert found["bots"] == [{"bot": "default", **found["total"]}]
    assert found["projects"] == [{"project": "", **found["total"]}]
    day, month = found["budgets"]
    assert (day["period"], day["limit_usd"], day["resets_at"]) == ("day", "1", "2027-01-16T00:00:00.000Z")
    assert (month["period"], month["limit_usd"], month["resets_at"]) == ("month", "10", "2027-02-01T00:00:00.000Z")
    held = int(float(day["taken_usd"]) * 1e9 + 0.5)
    assert held >= cost
    assert float(day["left_usd"]) == pytest.approx(1 - held / 1e9, abs=1e-12)
    await caller.world.ledger.close()  # what purses held is back
    day, _ = (await answer(caller))["budgets"]
    assert day["taken_usd"] == f"0.{cost:09d}".rstrip("0")
    requests, tokens = found["rates"]
    assert (requests["kind"], requests["limit_per_minute"], tokens["kind"]) == ("requests", 100_000, "tokens")
    assert requests["left"] < 100_000
    assert found["model_rates"] == []
    assert tokens["resets_at"] >= "2027-01-15T08:00:00.000Z"


async def test_bots_projects_and_days_are_told_apart_and_combined_where_that_is_asked_for() -> None:
    caller = Caller()
    headers = {"authorization": f"Bearer {caller.token()}"}
    for bot, project in (("search", "p1"), ("search", "p2"), ("a#b", "p1")):
        url = f"/v1/embeddings?ai_project_id={project}"
        await caller.send(
            "POST", url, json={"model": MODEL, "input": bot + project}, headers={**headers, "x-bot-id": bot}
        )
    await caller.world.services.usage.flush()
    caller.world.clock.pass_time(DAY_S)
    await caller.ask(["tomorrow"])
    found = await answer(caller, "?group_by=project,bot")
    assert {one["bot"]: one["requests"] for one in found["bots"]} == {"search": 2, "a#b": 1, "default": 1}
    assert {one["project"]: one["requests"] for one in found["projects"]} == {"p1": 2, "p2": 1, "": 1}
    assert [(one["day"], one["requests"]) for one in found["days"]] == [(TODAY, 3), ("2027-01-16", 1)]
    assert {(one["project"], one["bot"]) for one in found["groups"]} == {
        ("p1", "search"),
        ("p2", "search"),
        ("p1", "a#b"),
        ("", "default"),
    }
    assert (await answer(caller, f"?start={TODAY}&end={TODAY}"))["total"]["requests"] == 3
    assert (await answer(caller, "?days=1"))["total"]["requests"] == 1
    assert (await answer(caller, "?end=2027-01-14"))["total"]["requests"] == 0


async def test_nobody_sees_another_tenant_s_usage() -> None:
    caller = Caller()
    await caller.ask(["mine"])
    found = await answer(caller, tenant="umbrella")
    assert (found["tenant"], found["total"]["requests"], found["days"]) == ("umbrella", 0, [])
    assert found["budgets"][0]["taken_usd"] == "0"


async def test_the_scope_is_needed_and_head_is_get_without_a_body() -> None:
    caller = Caller()
    refused = await get(caller, scopes=("embeddings", "models"))
    assert (refused.status_code, error_of(refused)["code"]) == (403, "insufficient_scope")
    headers = {"authorization": f"Bearer {caller.token()}"}
    head = await caller.send("HEAD", "/v1/usage", headers=headers)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("?days=0", "days", "invalid_value"),
        ("?days=93", "days", "invalid_value"),
        ("?days=1.5", "days", "invalid_value"),
        ("?days=", "days", "invalid_value"),
        ("?days=%D9%A3", "days", "invalid_value"),
        ("?days=7&start=2027-01-01", "days", "invalid_value"),
        ("?days=7&days=8", "days", "invalid_value"),
        ("?start=yesterday", "start", "invalid_value"),
        ("?start=20270101", "start", "invalid_value"),
        ("?end=2027-02-30", "end", "invalid_value"),
        ("?start=2027-01-16", "start", "invalid_value"),
        ("?start=2026-01-01", "start", "invalid_value"),
        ("?group_by=user", "group_by", "invalid_value"),
        ("?group_by=bot,bot", "group_by", "invalid_value"),
        ("?group_by=", "group_by", "invalid_value"),
        ("?tenant=umbrella", None, "unknown_parameter"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_refused_by_its_name(query: str, param: str | None, code: str) -> None:
    response = await get(Caller(), query)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


async def test_days_count_back_from_the_last_and_the_first_there_are_can_be_asked_for() -> None:
    found = await answer(Caller(), "?end=2027-01-03&days=2")
    assert (found["start"], found["end"]) == ("2027-01-02", "2027-01-03")
    found = await answer(Caller(), "?end=0001-01-02&days=9&ai_project_id=p")
    assert (found["start"], found["end"]) == ("0001-01-01", "0001-01-02")


async def test_asking_counts_against_the_rate_of_requests() -> None:
    caller = Caller(Setup(limits=replace(LIMITS, requests_per_minute=1)))
    assert (await get(caller)).headers["x-ratelimit-remaining-requests"] == "0"
    refused = await get(caller)
    assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["retry-after"]


async def test_asking_takes_nothing_of_any_model_s_rate_and_shows_what_is_left_of_each() -> None:
    models = {
        "text-*": {"requests_per_minute": 1, "tokens_per_minute": 1_000},
        "*": {"requests_per_minute": 2},
        "other": {"tokens_per_minute": 50},
    }
    caller = Caller()
    caller.world.control.documents["TENANT#acme", "CONF"] = json.dumps({"version": 1, "model_rates": models})

    async def left() -> list[tuple[str, str, int, int]]:
        rates = (await answer(caller))["model_rates"]
        return [(one["models"], one["kind"], one["limit_per_minute"], one["left"]) for one in rates]

    for _ in range(3):  # more often than the models may be asked
        assert await left() == [
            ("text-*", "requests", 1, 1),
            ("*", "requests", 2, 2),
            ("text-*", "tokens", 1_000, 1_000),
            ("other", "tokens", 50, 50),
        ]
    embedded, refused = await caller.ask(["a text"]), await caller.ask(["a text"])
    assert (embedded.status_code, refused.status_code) == (200, 429)
    tokens_left = int(embedded.headers["x-ratelimit-remaining-tokens"])
    assert tokens_left < 1_000
    for _ in range(3):
        assert await left() == [
            ("text-*", "requests", 1, 0),
            ("*", "requests", 2, 1),
            ("text-*", "tokens", 1_000, tokens_left),
            ("other", "tokens", 50, 50),
        ]


async def test_a_ledger_out_of_reach_is_a_503_that_names_no_table() -> None:
    caller = Caller()
    caller.world.usage_table.down = True
    refused = await get(caller)
    assert (refused.status_code, error_of(refused)["code"]) == (503, "service_unavailable")
    assert "Ledger-1" not in refused.text
    assert refused.headers["retry-after"] == "5"


async def test_more_bots_than_an_answer_shows_are_one_line_and_nothing_is_lost() -> None:
    caller = Caller()
    for day in range(6):
        for number in range(200):
            seen = Observation("acme", bot=f"{day} {number}", model=MODEL, cost_nano_usd=1)
            await caller.world.services.usage.add(seen)
        await caller.world.services.usage.flush()
        caller.world.clock.pass_time(DAY_S)
    found = await answer(caller)
    assert len(found["bots"]) == 1_000
    assert found["bots"][-1]["bot"] == "*"
    assert sum(one["requests"] for one in found["bots"]) == found["total"]["requests"] == 1_200


async def test_that_a_tenant_has_alarms_of_its_own_reaches_its_records() -> None:
    for document, watched in (('{"version": 1, "alarm": true}', True), ('{"version": 1}', False)):
        caller = Caller()
        caller.world.control.documents["TENANT#acme", "CONF"] = document
        await caller.ask(["a"])
        ((seen, status),) = caller.records.seen
        assert (status, seen.watched, seen.usage_day) == (200, watched, TODAY)
