"""Does a call to Bedrock arrive as it was, and does each of its errors mean what it says?"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.aws_invocation import NOT_READY
from embedge.adapters.transport_bedrock import BedrockTransport
from embedge.core.route import CallLimits, Target
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest
from tests.adapters.breaking_off import BREAKING_OFF, NEVER_DONE
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, json_answer, refusing_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Act = Callable[[Reply, Heard], Awaitable[None]]

MODEL = "amazon.titan-embed-text-v2:0"
REQUEST = WireRequest("/ignored", (("x-ignored", "1"),), b'{"inputText": "x"}')
LIMITS = CallLimits(1, 1, 1, 1)


def target(read_timeout_s: float = 5) -> Target:
    return Target("t", "titan", "bedrock", MODEL, "m", None, 1, LIMITS, 0, 1.0, read_timeout_s)


@asynccontextmanager
async def transport(url: str) -> AsyncGenerator[BedrockTransport]:
    clients = AwsClients(StandIn(url, "us-east-1", "id", "secret"))
    try:
        yield BedrockTransport(clients)
    finally:
        await clients.close()


@asynccontextmanager
async def bedrock(act: Act) -> AsyncGenerator[tuple[BedrockTransport, HttpStub]]:
    async with http_stub(act) as stub, transport(stub.url) as made:
        yield made, stub


async def test_a_request_is_the_models_body_and_its_answer_the_models_with_its_headers() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b'{"embedding": []}', headers={"X-Amzn-Bedrock-Input-Token-Count": "7"}))

    async with bedrock(act) as (made, stub):
        response = await made.send(target(), REQUEST)
        assert (response.status, response.body) == (200, b'{"embedding": []}')
        assert response.headers["x-amzn-bedrock-input-token-count"] == "7"
        (heard,) = stub.heard
        assert heard.path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
        assert heard.body == REQUEST.body
        assert heard.header("content-type") == heard.header("accept") == "application/json"


REFUSALS = [
    (400, "ValidationException", 400),
    (403, "AccessDeniedException", 403),
    (404, "ResourceNotFoundException", 404),
    (408, "ModelTimeoutException", 504),
    (424, "ModelErrorException", 500),
    (429, "ModelNotReadyException", 503),
    (429, "ThrottlingException", 429),
    (400, "ServiceQuotaExceededException", 429),
    (500, "InternalServerException", 500),
    (503, "ServiceUnavailableException", 503),
    (403, "UnrecognizedClientException", 403),
    (418, "SomethingNew", 502),
]


@pytest.mark.parametrize(("status", "code", "meaning"), REFUSALS)
async def test_a_refusal_is_the_status_that_it_means_and_is_asked_for_once(
    status: int, code: str, meaning: int
) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(json_answer({"message": "said so"}, status, {"x-amzn-errortype": code}))

    async with bedrock(act) as (made, stub):
        response = await made.send(target(), REQUEST)
        assert response.status == meaning
        ready = code != "ModelNotReadyException"
        assert json.loads(response.body) == ({"message": "said so"} if ready else json.loads(NOT_READY.body))
        assert len(stub.heard) == 1


@pytest.mark.parametrize("act", BREAKING_OFF)
async def test_an_answer_that_breaks_off_is_none_and_is_not_asked_for_again(act: Act) -> None:
    async with bedrock(act) as (made, stub):
        with pytest.raises(NoAnswer):
            await made.send(target(), REQUEST)
        assert len(stub.heard) == 1


@pytest.mark.parametrize("act", NEVER_DONE)
async def test_an_answer_that_is_too_slow_as_a_whole_timed_out(act: Act) -> None:
    async with bedrock(act) as (made, _):
        with pytest.raises(TimedOut):
            await made.send(target(read_timeout_s=0.5), REQUEST)


async def test_a_refused_connection_is_not_sent() -> None:
    async with transport(await refusing_url()) as made:
        with pytest.raises(NotSent):
            await made.send(target(), REQUEST)
