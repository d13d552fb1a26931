"""Does usage carry the names that a caller gives: application, project, user?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import Caller, error_of
from tests.api.served import body_of, through_lambda
from tests.embed.world import MODEL
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    import httpx

LONGEST = "~" * 128
REFUSED = ["x" * 129, "tab\there", "zoë", "\x7f", "\u2028"]


async def send(caller: Caller, *, bot: str | None = None, project: str | None = None, **body: Any) -> httpx.Response:
    """Embed a text under these names."""
    named = {} if bot is None else {"X-Bot-ID": bot.encode()}
    headers = {"authorization": f"bearer {caller.token()}", **named}
    params = {} if project is None else {"ai_project_id": project}
    return await caller.send(
        "POST", "/v1/embeddings", params=params, json={"model": MODEL, "input": "a", **body}, headers=headers
    )


def event(caller: Caller, bot: str | None, project: str | None) -> dict[str, Any]:
    """Return the same as API Gateway's event: header names as they were sent, queries decoded."""
    headers = {"Authorization": f"Bearer {caller.token()}", "Content-Type": "application/json"}
    body = json.dumps({"model": MODEL, "input": "a", "user": "u-1"})
    made = rest_event("POST", "/v1/embeddings", headers, body, caller.world.clock.now_s())
    if bot is not None:
        made["headers"]["X-Bot-ID"] = bot
        made["multiValueHeaders"]["X-Bot-ID"] = [bot]
    if project is not None:
        made["queryStringParameters"] = {"ai_project_id": project}
        made["multiValueQueryStringParameters"] = {"ai_project_id": [project]}
    return made


async def test_usage_is_attributed_to_tenant_bot_project_and_user() -> None:
    caller = Caller()
    assert (await send(caller, bot="crawler", project="search", user="u-1")).status_code == 200
    ((seen, status),) = caller.records.seen
    assert (status, seen.tenant, seen.bot, seen.project, seen.user) == (200, "acme", "crawler", "search", "u-1")
    assert (seen.inputs, seen.hits, seen.misses, seen.tokens_served, seen.tokens_billed) == (1, 0, 1, 1, 1)
    assert (seen.model, seen.provider, seen.cost_nano_usd) == (MODEL, "openai", 20)


@pytest.mark.parametrize("bot", [None, ""])
async def test_who_gives_no_names_has_the_default_ones(bot: str | None) -> None:
    caller = Caller()
    assert (await send(caller, bot=bot, project=bot)).status_code == 200
    ((seen, _),) = caller.records.seen
    assert (seen.bot, seen.project, seen.user) == ("default", "", "")


@pytest.mark.parametrize("name", [LONGEST, "a b", "a#b", 'a"b\\', "100%", "a&b=c+d"])
async def test_a_name_is_kept_as_it_was_sent(name: str) -> None:
    caller = Caller()
    assert (await send(caller, bot=name, project=name)).status_code == 200
    ((seen, _),) = caller.records.seen
    assert (seen.bot, seen.project) == (name, name)


@pytest.mark.parametrize("name", REFUSED)
async def test_a_name_that_cannot_be_shown_is_refused_and_nothing_is_sent(name: str) -> None:
    caller = Caller()
    for refused, param in (
        (await send(caller, bot=name), "X-Bot-ID"),
        (await send(caller, project=name), "ai_project_id"),
    ):
        error = error_of(refused)
        assert (refused.status_code, error["param"], error["code"]) == (400, param, "invalid_value")
        assert "128 visible characters" in error["message"]
        assert name not in error["message"]
    assert caller.world.server.asked == []
    assert {(seen.bot, seen.project) for seen, _ in caller.records.seen} == {("default", "")}


async def test_a_user_of_any_length_is_taken_and_recorded_as_far_as_log_lines_hold() -> None:
    caller = Caller()
    assert (await send(caller, user="é" * 10_000)).status_code == 200
    assert caller.records.seen[0][0].user == "é" * 128


def test_names_reach_usage_through_api_gateway_too() -> None:
    caller = Caller()
    names = ("crawler", LONGEST, "a&b=c+d %41")
    answers = through_lambda(caller.app, *(event(caller, name, name) for name in names), event(caller, None, None))
    assert [answer["statusCode"] for answer in answers] == [200] * 4
    seen = [(seen.bot, seen.project, seen.user) for seen, _ in caller.records.seen]
    assert seen == [*((name, name, "u-1") for name in names), ("default", "", "u-1")]


def test_names_that_cannot_be_shown_are_refused_through_api_gateway_too() -> None:
    caller = Caller()
    events = [event(caller, "x" * 129, None), *(event(caller, None, name) for name in REFUSED)]
    answers = through_lambda(caller.app, *events)
    assert [answer["statusCode"] for answer in answers] == [400] * len(events)
    params = [body_of(answer)["error"]["param"] for answer in answers]
    assert params == ["X-Bot-ID", *["ai_project_id"] * len(REFUSED)]
