"""Is a secret had when it is there, kept no longer than said, and never told to whom it is not for?"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.errors import ServiceUnavailable
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, json_answer, refusing_url
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

SECRET, NAME = "sk-very-secret", "embedge/openai-name"
REFERENCE = f"secretsmanager:{NAME}"


@dataclass
class Tried:
    """Secrets, the clock that they are kept by, and the server that they come from."""

    secrets: ReferencedSecrets
    clock: FakeClock
    stub: HttpStub

    async def hides(self, reference: str = REFERENCE) -> None:
        with pytest.raises(ServiceUnavailable) as refused:
            await self.secrets.reveal(reference)
        assert refused.value.retry_after_s
        for hidden in (SECRET, NAME, "KEY"):
            assert hidden not in refused.value.message


@asynccontextmanager
async def secrets_from(act: Callable[[Reply, Heard], Awaitable[None]]) -> AsyncGenerator[Tried]:
    async with http_stub(act) as stub:
        clients, clock = AwsClients(StandIn(stub.url, "us-east-1", "id", "secret")), FakeClock()
        given = {"KEY": SECRET, "EMPTY": "", "A:B": "colons"}
        try:
            yield Tried(ReferencedSecrets(given, clients, clock), clock, stub)
        finally:
            await clients.close()


async def give(reply: Reply, _: Heard) -> None:
    await reply.send(json_answer({"Name": NAME, "SecretString": SECRET}))


async def test_the_environments_secrets_are_given_as_they_are_and_nobody_is_asked() -> None:
    async with secrets_from(give) as tried:
        revealed = [await tried.secrets.reveal(f"env:{name}") for name in ("KEY", "EMPTY", "A:B")]
        assert revealed == [SECRET, "", "colons"]
        assert tried.stub.heard == []


@pytest.mark.parametrize("reference", ["env:", "env:MISSING", "env:key", "env:KEY ", "env: KEY"])
async def test_what_the_environment_does_not_hold_is_not_there(reference: str) -> None:
    async with secrets_from(give) as tried:
        await tried.hides(reference)
        assert tried.stub.heard == []


async def test_a_secret_in_aws_is_asked_for_by_its_name_and_kept_five_minutes() -> None:
    async with secrets_from(give) as tried:
        for asked in (1, 2, 3):
            for passed_s in (0, 100, 199.9):
                tried.clock.pass_time(passed_s)
                assert await tried.secrets.reveal(REFERENCE) == SECRET
            assert len(tried.stub.heard) == asked
            tried.clock.pass_time(0.2)
        assert {heard.body for heard in tried.stub.heard} == {b'{"SecretId": "%s"}' % NAME.encode()}
        assert {heard.header("x-amz-target") for heard in tried.stub.heard} == {"secretsmanager.GetSecretValue"}


async def test_secrets_are_kept_apart() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        await reply.send(json_answer({"SecretString": heard.body.decode()}))

    async with secrets_from(act) as tried:
        for _ in range(2):
            assert await tried.secrets.reveal("secretsmanager:a") == '{"SecretId": "a"}'
            assert await tried.secrets.reveal("secretsmanager:b:c") == '{"SecretId": "b:c"}'
        assert len(tried.stub.heard) == 2


async def test_a_changed_secret_is_known_after_five_minutes() -> None:
    secrets = iter(["old", "new"])

    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(json_answer({"SecretString": next(secrets)}))

    async with secrets_from(act) as tried:
        assert await tried.secrets.reveal(REFERENCE) == "old"
        tried.clock.pass_time(300)
        assert await tried.secrets.reveal(REFERENCE) == "new"


def _error(status: int, code: str) -> bytes:
    return json_answer({"__type": code, "message": f"{NAME} {SECRET}"}, status)


ANSWERS = [
    _error(400, "ResourceNotFoundException"),
    _error(400, "AccessDeniedException"),
    _error(400, "DecryptionFailure"),
    _error(400, "ThrottlingException"),
    _error(500, "InternalServiceError"),
    answer(b"<html>busy</html>", 503),
    answer(b"\xff", 400),
    answer(b"null", 400),
    json_answer({"Name": NAME, "SecretBinary": "c2stdmVyeS1zZWNyZXQ="}),
    json_answer({}),
    answer(b"null"),
    answer(b"[]"),
    answer(b"nonsense"),
    answer(b"\xff"),
]


async def test_whatever_else_aws_answers_is_no_secret_is_not_kept_and_not_told() -> None:
    answers = iter(ANSWERS)

    async def act(reply: Reply, heard: Heard) -> None:
        if (left := next(answers, None)) is None:
            await give(reply, heard)
        else:
            await reply.send(left)

    async with secrets_from(act) as tried:
        for number, _ in enumerate(ANSWERS, start=1):
            await tried.hides()
            assert len(tried.stub.heard) == number
        assert await tried.secrets.reveal(REFERENCE) == SECRET


async def _reset(reply: Reply, _: Heard) -> None:
    reply.reset()


async def _close(reply: Reply, _: Heard) -> None:
    reply.close()


async def _half(reply: Reply, _: Heard) -> None:
    await reply.send(json_answer({"SecretString": SECRET})[:-9])
    reply.close()


@pytest.mark.parametrize("act", [_reset, _close, _half])
async def test_an_answer_that_breaks_off_is_no_secret(act: Callable[[Reply, Heard], Awaitable[None]]) -> None:
    async with secrets_from(act) as tried:
        await tried.hides()


async def test_where_nobody_listens_there_is_no_secret() -> None:
    clients = AwsClients(StandIn(await refusing_url(), "us-east-1", "id", "secret"))
    with pytest.raises(ServiceUnavailable):
        await ReferencedSecrets({}, clients, FakeClock()).reveal(REFERENCE)
    await clients.close()


@pytest.mark.slow
async def test_a_server_that_hangs_takes_a_request_a_few_seconds_and_no_more() -> None:
    async def hang(_: Reply, __: Heard) -> None:
        await asyncio.sleep(60)

    async with secrets_from(hang) as tried, asyncio.timeout(5.5):
        await tried.hides()
