"""Does S3 get an answer whole, give it out to whoever has the link, and is a failure said as one, in time?"""

from __future__ import annotations

import base64
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from embedge.adapters.answers_s3 import S3Answers
from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.ports import NotKept
from tests.adapters.breaking_off import BREAKING_OFF
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, refusing_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

BODY = b'{"object":"list"}' * 100_000
BUCKET = "answers-of-mine"


@asynccontextmanager
async def answers_at(url: str) -> AsyncGenerator[S3Answers]:
    clients = AwsClients(StandIn(url, "eu-north-1", "id", "secret"))
    try:
        yield S3Answers(clients, BUCKET)
    finally:
        await clients.close()


async def _takes(reply: Reply, _: Heard) -> None:
    await reply.send(answer())


async def _kept() -> tuple[str, HttpStub]:
    async with http_stub(_takes) as stub, answers_at(stub.url) as answers:
        return await answers.keep("acme", BODY), stub


async def test_an_object_is_put_once_whole_with_its_checksum_and_what_a_client_must_read_of_it() -> None:
    _, stub = await _kept()
    (put,) = stub.heard
    assert put.line.startswith(f"PUT /{BUCKET}/answers/")
    assert put.body == BODY
    assert put.header("content-type") == "application/json"
    assert put.header("cache-control") == "private, no-store"
    assert put.header("x-amz-checksum-crc32") == base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    assert put.header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"


async def test_a_link_is_signed_for_two_minutes_for_one_object_and_wants_no_header() -> None:
    link, stub = await _kept()
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).path == stub.heard[0].line.split()[1]
    assert query["X-Amz-Expires"] == ["120"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    assert "acme" not in link
    assert (await _kept())[0] != link


@pytest.mark.parametrize(("region", "host"), [("us-east-1", "us-east-1"), ("eu-north-1", "eu-north-1")])
async def test_in_aws_a_link_names_the_bucket_s_own_host_in_its_region(
    region: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", region)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    clients = AwsClients()
    try:
        link = await (await clients.s3()).generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "answers/a"})
    finally:
        await clients.close()
    assert link.startswith(f"https://{BUCKET}.s3.{host}.amazonaws.com/answers/a?")


async def _not_kept(act: Callable[[Reply, Heard], Awaitable[None]]) -> HttpStub:
    async with http_stub(act) as stub, answers_at(stub.url) as answers:
        with pytest.raises(NotKept):
            await answers.keep("acme", BODY)
    return stub


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "BadDigest"), (503, "SlowDown"), (500, "InternalError")],
)
async def test_an_answer_that_s3_refuses_is_not_kept_and_not_sent_again(status: int, code: str) -> None:
    async def refuse(reply: Reply, _: Heard) -> None:
        await reply.send(answer(f"<Error><Code>{code}</Code></Error>".encode(), status))

    assert len((await _not_kept(refuse)).heard) == 1


@pytest.mark.parametrize("break_off", BREAKING_OFF)
async def test_a_reply_that_breaks_off_is_an_answer_not_kept(
    break_off: Callable[[Reply, Heard], Awaitable[None]],
) -> None:
    await _not_kept(break_off)


async def test_an_s3_that_cannot_be_reached_is_an_answer_not_kept() -> None:
    async with answers_at(await refusing_url()) as answers:
        with pytest.raises(NotKept):
            await answers.keep("acme", BODY)


async def test_an_emulator_gives_out_what_was_kept_and_refuses_a_link_that_was_changed(s3_endpoint: str) -> None:
    stand_in = StandIn(s3_endpoint, "us-east-1", "test", "test")
    clients = AwsClients(stand_in)
    try:
        await (await clients.s3()).create_bucket(Bucket=BUCKET)
        link = await S3Answers(clients, BUCKET).keep("acme", BODY)
    finally:
        await clients.close()
    async with httpx.AsyncClient() as client:
        response = await client.get(link)
        assert (response.status_code, response.content) == (200, BODY)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "private, no-store"
        changed = link.replace("X-Amz-Expires=120", "X-Amz-Expires=999")
        assert (await client.get(changed)).status_code == 403
