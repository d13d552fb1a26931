"""Is every way in which InvokeEndpoint fails told as what it is, and is nothing ever sent twice?"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.aws_invocation import NOT_READY
from embedge.adapters.transport_sagemaker import SageMakerTransport
from embedge.core.route import CallLimits, Space, Target
from embedge.errors import UpstreamCold, UpstreamUnavailable
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse
from embedge.upstreams import PROVIDERS
from tests.adapters.breaking_off import BREAKING_OFF, NEVER_DONE
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, json_answer, refusing_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from pathlib import Path

    from embedge.core.route import ProviderName

    Act = Callable[[Reply, Heard], Awaitable[None]]

REQUEST = WireRequest("/embed", (("Content-Type", "application/json"),), b'{"inputs": ["x"]}')
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def target(read_timeout_s: float = 5) -> Target:
    return Target(
        id="t",
        provider="tei",
        transport="sagemaker",
        endpoint="bge-m3",
        model="m",
        secret=None,
        price_nano_usd_per_million_tokens=1,
        limits=CallLimits(1, 1, 1, 1),
        priority=0,
        connect_timeout_s=1,
        read_timeout_s=read_timeout_s,
    )


@asynccontextmanager
async def transport(url: str) -> AsyncGenerator[SageMakerTransport]:
    clients = AwsClients(StandIn(url, "us-east-1", "id", "secret"))
    await clients.sagemaker_runtime()  # making it takes a moment, and these tests measure time
    try:
        yield SageMakerTransport(clients)
    finally:
        await clients.close()


@asynccontextmanager
async def endpoint(act: Act) -> AsyncGenerator[tuple[SageMakerTransport, HttpStub]]:
    async with http_stub(act) as stub, transport(stub.url) as made:
        yield made, stub


def always(reply: bytes) -> Act:
    return in_turn(repeat(reply))


def in_turn(replies: Iterable[bytes]) -> Act:
    left = iter(replies)

    async def act(to: Reply, _: Heard) -> None:
        await to.send(next(left))

    return act


def refusal(status: int, code: str, **body: object) -> bytes:
    """An error as InvokeEndpoint's protocol, REST with JSON, writes it."""
    return json_answer({"message": "as the test wants it", **body}, status, {"x-amzn-ErrorType": f"{code}:http://x/"})


async def test_a_request_is_the_containers_body_and_its_answer_the_containers() -> None:
    async with endpoint(always(json_answer([[0.5]]))) as (made, stub):
        assert await made.send(target(), REQUEST) == WireResponse(200, {}, b"[[0.5]]")
        (heard,) = stub.heard
        assert heard.line == "POST /endpoints/bge-m3/invocations HTTP/1.1"
        assert heard.header("content-type") == "application/json"
        assert heard.body == REQUEST.body


VLLM = b'{"object": "list", "data": [{"index": 0, "embedding": [0.0, 2.0]}], "usage": {"prompt_tokens": 3}}'


async def test_a_container_that_speaks_openai_s_body_gets_it_and_is_read() -> None:
    space, provider = Space("m", "1", 2, normalised=True), PROVIDERS["openai"]
    served = replace(target(), provider="openai", model="BAAI/bge-m3")
    async with endpoint(always(answer(VLLM))) as (made, stub):
        response = await made.send(served, provider.request(["x"], space, served, None))
        read = provider.answer(response, 1, space)
        assert (read.vectors.tolist(), read.tokens) == ([[0.0, 1.0]], 3)
        assert stub.heard[0].line == "POST /endpoints/bge-m3/invocations HTTP/1.1"
        sent = {"model": "BAAI/bge-m3", "input": ["x"], "encoding_format": "base64"}
        assert json.loads(stub.heard[0].body) == sent


# As it stands in AWS's article on the feature, "Unlock cost savings with the new scale down to zero feature in
# SageMaker Inference" (2024-12), read 2026-11.
SCALED_TO_ZERO = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
REFUSALS: list[tuple[int, str, dict[str, object], int, bytes]] = [
    (424, "ModelError", {"OriginalStatusCode": 413, "OriginalMessage": "too long"}, 413, b"too long"),
    (424, "ModelError", {"OriginalStatusCode": 503, "OriginalMessage": ""}, 503, b""),
    (424, "ModelError", {"OriginalStatusCode": 429}, 429, b""),
    (424, "ModelError", {}, 502, b""),
    (424, "ModelError", {"OriginalStatusCode": 200, "OriginalMessage": "[[0.5]]"}, 502, b""),
    (424, "ModelError", {"OriginalStatusCode": 0}, 502, b""),
    (400, "ThrottlingException", {}, 429, b""),
    (429, "ModelNotReadyException", {}, 503, NOT_READY.body),
    (400, "ValidationError", {"message": SCALED_TO_ZERO}, 503, NOT_READY.body),
    (424, "ModelError", {"message": SCALED_TO_ZERO}, 502, b""),
    (400, "ValidationError", {}, 404, b""),
    (400, "ValidationError", {"OriginalStatusCode": 413}, 404, b""),
    (403, "AccessDeniedException", {}, 403, b""),
    (403, "ExpiredTokenException", {}, 403, b""),
    (403, "UnrecognizedClientException", {}, 403, b""),
    (403, "InvalidSignatureException", {}, 403, b""),
    (400, "IncompleteSignature", {}, 502, b""),
    (429, "TooManyRequestsException", {}, 429, b""),
    (500, "InternalFailure", {}, 503, b""),
    (530, "InternalDependencyException", {}, 503, b""),
    (503, "ServiceUnavailable", {}, 503, b""),
    (503, "ServiceUnavailableException", {}, 503, b""),
    (418, "Unheard", {}, 502, b""),
    (500, "Unheard", {}, 500, b""),
]


async def test_a_refusal_is_the_status_that_it_means_and_is_asked_for_once() -> None:
    replies = [refusal(status, code, **body) for status, code, body, *_ in REFUSALS]
    async with endpoint(in_turn(replies)) as (made, stub):
        for case in REFUSALS:
            *_, expected, said = case
            assert (case, await made.send(target(), REQUEST)) == (case, WireResponse(expected, {}, said))
        assert len(stub.heard) == len(REFUSALS)


@pytest.mark.parametrize("name", ["openai", "tei"])
async def test_what_is_not_ready_or_scaled_to_zero_is_starting_and_what_is_down_is_not(name: ProviderName) -> None:
    replies = {
        refusal(429, "ModelNotReadyException"): UpstreamCold,
        refusal(400, "ValidationError", message=SCALED_TO_ZERO): UpstreamCold,
        refusal(503, "ServiceUnavailable"): UpstreamUnavailable,
        refusal(530, "InternalDependencyException"): UpstreamUnavailable,
    }
    async with endpoint(in_turn(replies)) as (made, _):
        for meant in replies.values():
            assert type(PROVIDERS[name].refusal(await made.send(target(), REQUEST))) is meant


async def test_a_server_error_that_is_no_json_is_a_server_error() -> None:
    bodies = (b"<html><body>upstream</body></html>", b"", b"{", b"<!DOCTYPE html>")
    cases = [(status, body) for status in (500, 502, 503, 504) for body in bodies]
    async with endpoint(in_turn(answer(body, status) for status, body in cases)) as (made, stub):
        for status, _ in cases:
            assert (await made.send(target(), REQUEST)).status == status
        assert len(stub.heard) == len(cases)


async def test_an_error_that_cannot_be_read_is_no_answer() -> None:
    bodies = [b"null", b"[]", b"1", b"\xff"]
    async with endpoint(in_turn(answer(body, 400) for body in bodies)) as (made, _):
        for _body in bodies:
            with pytest.raises(NoAnswer):
                await made.send(target(), REQUEST)


async def _half_an_error(reply: Reply, _: Heard) -> None:
    await reply.send(refusal(424, "ModelError")[:-5])
    reply.close()


BROKEN = [*BREAKING_OFF, _half_an_error]


async def test_an_answer_that_breaks_off_is_none_and_may_have_been_billed_and_is_not_asked_for_again() -> None:
    left = iter(BROKEN)

    async def act(reply: Reply, heard: Heard) -> None:
        await next(left)(reply, heard)

    async with endpoint(act) as (made, stub):
        for number, broken in enumerate(BROKEN, start=1):
            with pytest.raises(NoAnswer) as failed:
                await made.send(target(), REQUEST)
            assert (broken, type(failed.value)) == (broken, NoAnswer)
            assert len(stub.heard) == number


@pytest.mark.parametrize("act", NEVER_DONE)
async def test_an_answer_that_is_too_slow_as_a_whole_timed_out(act: Act) -> None:
    async with endpoint(act) as (made, stub):
        with pytest.raises(TimedOut):
            await made.send(target(0.3), REQUEST)
        assert len(stub.heard) == 1


async def test_a_refused_connection_is_not_sent() -> None:
    async with transport(await refusing_url()) as made:
        with pytest.raises(NotSent):
            await made.send(target(), REQUEST)


async def test_a_process_without_credentials_or_region_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for region in ("", "us-east-1"):
        if region:
            monkeypatch.setenv("AWS_REGION", region)
            monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        clients = AwsClients()
        with pytest.raises(NotSent):
            await SageMakerTransport(clients).send(target(), REQUEST)
        await clients.close()


@pytest.mark.parametrize("megabytes", [0, 1, 4])
async def test_a_body_of_any_size_arrives_whole(megabytes: int) -> None:
    body = bytes(range(256)) * (megabytes * 4096) + b"end"
    async with endpoint(always(answer(b"right"))) as (made, stub):
        assert (await made.send(target(), WireRequest("", (), body))).body == b"right"
        assert stub.heard[0].body == body
        assert stub.heard[0].header("content-length") == str(len(body))


async def test_a_connection_is_used_again_and_replaced_when_the_server_has_closed_it() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        await reply.send(answer(b"right"))
        if heard.body == b"last":
            reply.close()

    async with endpoint(act) as (made, stub):
        for body, connections in ((b"first", 1), (b"last", 1), (b"first", 2)):
            assert (await made.send(target(), WireRequest("", (), body))).body == b"right"
            assert stub.connections == connections
            await asyncio.sleep(0.02)


async def test_who_is_cancelled_is_cancelled_and_has_not_timed_out() -> None:
    heard = asyncio.Event()

    async def act(_: Reply, __: Heard) -> None:
        heard.set()
        await asyncio.sleep(60)

    async with endpoint(act) as (made, _):
        call = asyncio.create_task(made.send(target(), REQUEST))
        await heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_component_and_a_variant_are_named_where_the_target_names_them() -> None:
    async with endpoint(always(answer(b"[[1]]"))) as (made, stub):
        await made.send(replace(target(), inference_component="part", target_variant="blue"), REQUEST)
        await made.send(target(), REQUEST)
        named, plain = stub.heard
        assert named.header("x-amzn-sagemaker-inference-component") == "part"
        assert named.header("x-amzn-sagemaker-target-variant") == "blue"
        assert plain.header("x-amzn-sagemaker-inference-component") is None
