"""Which pages in a browser may read the answers, and which may not?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.client import Caller, error_of
from tests.embed.world import MODEL

if TYPE_CHECKING:
    import httpx

OURS = "https://app.example.com"
OTHERS = "https://evil.example.com"
# What openai-node asks for in a browser.
ASKED = "authorization,content-type,x-bot-id,x-stainless-arch,x-stainless-lang,x-stainless-retry-count"
NAMED = (OURS, "http://localhost:3000")


async def preflight(caller: Caller, origin: str, method: str = "POST", path: str = "/v1/embeddings") -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": ASKED}
    return await caller.send("OPTIONS", path, headers=headers)


async def ask(caller: Caller, origin: str, token: str | None = None) -> httpx.Response:
    headers = {"origin": origin, "authorization": f"Bearer {token or caller.token()}"}
    return await caller.send("POST", "/v1/embeddings", json={"model": MODEL, "input": "a"}, headers=headers)


def cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def has_every_answer_s_headers(response: httpx.Response) -> bool:
    return {"x-request-id", "openai-processing-ms", "cache-control"} <= response.headers.keys()


@pytest.mark.parametrize("origin", NAMED)
async def test_a_preflight_from_a_named_origin_may_send_what_it_asks_for_and_needs_no_token(origin: str) -> None:
    caller = Caller(cors_origins=NAMED)
    response = await preflight(caller, origin)
    assert response.status_code == 200
    assert cors_headers(response) == {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": ASKED,
        "access-control-max-age": "7200",
    }
    assert "Origin" in response.headers["vary"]
    assert has_every_answer_s_headers(response)
    assert caller.world.server.asked == []
    assert [(seen.tenant, status) for seen, status in caller.records.seen] == [("", 200)]


@pytest.mark.parametrize(("origin", "method"), [(OTHERS, "POST"), ("null", "POST"), (OURS, "DELETE")])
async def test_a_preflight_that_is_refused_is_an_error_like_all_others(origin: str, method: str) -> None:
    response = await preflight(Caller(cors_origins=NAMED), origin, method)
    assert response.status_code == 400
    assert origin not in error_of(response)["message"]
    assert error_of(response)["code"] == "invalid_value"
    assert cors_headers(response) == {}


async def test_a_page_of_a_named_origin_reads_the_answer_and_all_its_headers() -> None:
    response = await ask(Caller(cors_origins=NAMED), OURS)
    assert response.status_code == 200
    assert cors_headers(response) == {"access-control-allow-origin": OURS, "access-control-expose-headers": "*"}
    assert response.headers["vary"] == "Origin"
    assert has_every_answer_s_headers(response)


async def test_a_page_reads_errors_too_those_of_our_own_faults_and_unknown_urls_among_them() -> None:
    caller = Caller(cors_origins=NAMED)
    refused = await ask(caller, OURS, token="nonsense")
    unknown = await caller.send("GET", "/v2/other", headers={"origin": OURS})
    caller.world.cache.raises = RuntimeError("a fault")
    fault = await ask(caller, OURS)
    assert [one.status_code for one in (refused, unknown, fault)] == [401, 404, 500]
    for response in (refused, unknown, fault):
        assert response.headers["access-control-allow-origin"] == OURS
        assert error_of(response)


async def test_a_page_of_another_origin_is_answered_and_may_not_read_it() -> None:
    response = await ask(Caller(cors_origins=NAMED), OTHERS)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"


async def test_a_star_is_every_page_and_never_with_cookies() -> None:
    caller = Caller(cors_origins=("*",))
    for response in (await preflight(caller, OTHERS), await ask(caller, OTHERS), await ask(caller, "null")):
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


async def test_who_is_no_browser_sees_no_difference() -> None:
    caller = Caller(cors_origins=NAMED)
    options = await caller.send("OPTIONS", "/v1/embeddings")
    assert (options.status_code, error_of(options)["code"]) == (405, "method_not_allowed")
    assert cors_headers(await caller.ask("a")).keys() <= {"access-control-expose-headers"}


async def test_where_no_origin_is_named_no_answer_speaks_of_cors_and_options_is_no_method() -> None:
    caller = Caller()
    asked, answered = await preflight(caller, OURS), await ask(caller, OURS)
    assert (asked.status_code, error_of(asked)["code"]) == (405, "method_not_allowed")
    assert (await preflight(caller, OURS, path="/v2/other")).status_code == 404
    assert answered.status_code == 200
    for response in (asked, answered):
        assert cors_headers(response) == {}
        assert "vary" not in response.headers
