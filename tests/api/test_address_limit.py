"""Is a flood from one address answered with 429, in the usual shape, and nobody else's request?"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.client import Caller, error_of
from tests.api.served import through_lambda
from tests.embed.world import MODEL
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import Router

_ADDRESS = "203.0.113.1"


class Flooded(Caller):
    """An API that takes three requests a second of one address."""

    def __init__(self) -> None:
        super().__init__()
        self.flooded: Router = self.app_with(requests_per_second_per_address=3)

    async def asks(
        self, path: str = "/v1/embeddings", token: str | None = None, address: str = _ADDRESS, **headers: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.flooded, client=(address, 4321))
        said = {"authorization": f"Bearer {token or self.token()}", "content-type": "application/json", **headers}
        async with httpx.AsyncClient(transport=transport, base_url="http://embedge.test") as client:
            if path != "/v1/embeddings":
                return await client.get(path, headers=said)
            return await client.post(path, json={"model": MODEL, "input": "text"}, headers=said)


async def test_an_address_that_asks_too_often_is_told_when_to_come_again() -> None:
    flooded = Flooded()
    statuses = [(await flooded.asks()).status_code for _ in range(3)]
    refused = await flooded.asks()
    assert (statuses, refused.status_code) == ([200] * 3, 429)
    error = error_of(refused)
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "Rate limit reached" in error["message"]
    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("1", "334")
    assert "x-should-retry" not in refused.headers
    flooded.world.clock.pass_time(0.334)
    assert (await flooded.asks()).status_code == 200


async def test_another_address_is_not_refused_and_a_header_makes_nobody_another() -> None:
    flooded = Flooded()
    for _ in range(3):
        await flooded.asks()
    assert (await flooded.asks(address="203.0.113.2")).status_code == 200
    for name in ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"):
        assert (await flooded.asks(**{name: "203.0.113.77"})).status_code == 429


async def test_every_path_counts_also_one_that_is_not_there_and_one_without_a_token() -> None:
    flooded = Flooded()
    for path in ("/health", "/nothing", "/v1/models"):
        assert (await flooded.asks(path)).status_code in {200, 404}
    assert (await flooded.asks("/health", token="x")).status_code == 429


async def test_a_token_that_no_rate_binds_passes_and_one_that_only_says_so_does_not() -> None:
    flooded = Flooded()
    exempt = flooded.token(exempt=True)
    for _ in range(30):
        assert (await flooded.asks(token=exempt)).status_code == 200
    assert (await flooded.asks()).status_code == 429
    assert (await flooded.asks(token=exempt[:-9] + "AAAAAAAAA")).status_code == 429


async def test_this_machine_asks_as_often_as_it_likes() -> None:
    flooded = Flooded()
    assert {(await flooded.asks(address="127.0.0.1")).status_code for _ in range(20)} == {200}


async def test_where_there_is_no_limit_there_is_none() -> None:
    flooded = Flooded()
    flooded.flooded = flooded.app_with(requests_per_second_per_address=0)
    assert {(await flooded.asks()).status_code for _ in range(20)} == {200}


async def test_who_still_sends_a_large_body_hears_the_answer() -> None:
    flooded = Flooded()
    for _ in range(3):
        await flooded.asks()
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(10):
            taken += 1
            yield b"x" * 100_000

    transport = httpx.ASGITransport(flooded.flooded, client=(_ADDRESS, 4321))
    async with httpx.AsyncClient(transport=transport, base_url="http://embedge.test") as client:
        answer = await client.post("/v1/embeddings", content=body(), headers={"content-type": "application/json"})
    assert (answer.status_code, taken) == (429, 10)


def _event(caller: Caller, address: str) -> dict[str, Any]:
    headers = {
        "authorization": f"Bearer {caller.token()}",
        "content-type": "application/json",
        "X-Forwarded-For": "198.51.100.9, 10.0.0.1",
    }
    event = rest_event("POST", "/v1/embeddings", headers, json.dumps({"model": MODEL, "input": "text"}))
    event = copy.deepcopy(dict(event))
    event["requestContext"].setdefault("identity", {})["sourceIp"] = address
    event["requestContext"]["requestTimeEpoch"] = int(caller.world.clock.now * 1000)
    return event


@pytest.mark.parametrize("other", ["198.51.100.7", "2001:db8::1"])
def test_behind_api_gateway_it_is_the_address_that_api_gateway_has_seen(other: str) -> None:
    caller = Caller()
    app = caller.app_with(requests_per_second_per_address=2)
    answers = through_lambda(app, *[_event(caller, _ADDRESS)] * 3, _event(caller, other))
    assert [answer["statusCode"] for answer in answers] == [200, 200, 429, 200]
