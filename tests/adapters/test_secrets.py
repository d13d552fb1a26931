"""Is a secret had when it is there, kept no longer than said, and never told to whom it is not for?"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.core.route import CallLimits, Target
from embedge.errors import ServiceUnavailable, UpstreamRejected
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, json_answer, refusing_url
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

KEY, NAME = "sk-very-secret", "embedge/openai-name"
SECRET = json.dumps({"key": KEY, "hosts": ["api.openai.com", "*.openai.azure.com"]})
REFERENCE = f"secretsmanager:{NAME}"


def target(reference: str | None = REFERENCE, endpoint: str = "https://api.openai.com/v1") -> Target:
    return Target("t", "openai", "https", endpoint, "m", reference, 1, CallLimits(1, 1, 1, 1), 0, 1.0, 1.0)


@dataclass
class Tried:
    """Secrets, the clock that they are kept by, and the server that they come from."""

    secrets: ReferencedSecrets
    clock: FakeClock
    stub: HttpStub
    faults: list[str]

    async def hides(self, reference: str = REFERENCE) -> None:
        with pytest.raises(ServiceUnavailable) as refused:
            await self.secrets.reveal(target(reference))
        assert refused.value.retry_after_s
        for hidden in (KEY, NAME, "KEY"):
            assert hidden not in refused.value.message


@asynccontextmanager
async def secrets_from(act: Callable[[Reply, Heard], Awaitable[None]]) -> AsyncGenerator[Tried]:
    async with http_stub(act) as stub:
        clients, clock = AwsClients(StandIn(stub.url, "us-east-1", "id", "secret")), FakeClock()
        given = {"KEY": SECRET, "EMPTY": "", "OPENAI_API_KEY": "sk-plain", "PLAIN": "sk-plain", "BAD": '{"key": 1}'}
        faults: list[str] = []
        try:
            yield Tried(ReferencedSecrets(given, clients, clock, faults.append), clock, stub, faults)
        finally:
            await clients.close()


async def give(reply: Reply, _: Heard) -> None:
    await reply.send(json_answer({"Name": NAME, "SecretString": SECRET}))


async def test_the_environments_secrets_are_given_as_they_are_and_nobody_is_asked() -> None:
    async with secrets_from(give) as tried:
        assert await tried.secrets.reveal(target("env:KEY")) == KEY
        assert await tried.secrets.reveal(target("env:OPENAI_API_KEY")) == "sk-plain"
        assert await tried.secrets.reveal(target(None)) is None
        assert tried.stub.heard == []


@pytest.mark.parametrize(
    "reference", ["env:", "env:MISSING", "env:key", "env:KEY ", "env: KEY", "env:EMPTY", "env:BAD"]
)
async def test_what_the_environment_does_not_hold_is_not_there(reference: str) -> None:
    async with secrets_from(give) as tried:
        await tried.hides(reference)
        assert tried.stub.heard == []


async def test_a_secret_in_aws_is_asked_for_by_its_name_and_kept_five_minutes() -> None:
    async with secrets_from(give) as tried:
        for asked in (1, 2, 3):
            for passed_s in (0, 100, 199.9):
                tried.clock.pass_time(passed_s)
                assert await tried.secrets.reveal(target()) == KEY
            assert len(tried.stub.heard) == asked
            tried.clock.pass_time(0.2)
        assert {heard.body for heard in tried.stub.heard} == {b'{"SecretId": "%s"}' % NAME.encode()}
        assert {heard.header("x-amz-target") for heard in tried.stub.heard} == {"secretsmanager.GetSecretValue"}


async def test_secrets_are_kept_apart() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        name = json.loads(heard.body)["SecretId"]
        await reply.send(json_answer({"SecretString": SECRET.replace(KEY, f"key of {name}")}))

    async with secrets_from(act) as tried:
        for _ in range(2):
            assert await tried.secrets.reveal(target("secretsmanager:a")) == "key of a"
            assert await tried.secrets.reveal(target("secretsmanager:b:c")) == "key of b:c"
        assert len(tried.stub.heard) == 2


async def test_a_changed_secret_is_known_after_five_minutes() -> None:
    async with secrets_from(one_after_the_other("old", "new")) as tried:
        assert await tried.secrets.reveal(target()) == "old"
        tried.clock.pass_time(300)
        assert await tried.secrets.reveal(target()) == "new"


def one_after_the_other(*keys: str) -> Callable[[Reply, Heard], Awaitable[None]]:
    """Give these keys in turn, and then nothing."""
    left = iter(keys)

    async def act(reply: Reply, _: Heard) -> None:
        key = next(left, None)
        await reply.send(json_answer({"SecretString": SECRET.replace(KEY, key)}) if key else _error(500, "Busy"))

    return act


async def test_a_key_that_was_refused_is_read_again_once_and_only_a_new_one_is_worth_another_try() -> None:
    async with secrets_from(one_after_the_other("old", "old", "new")) as tried:
        assert await tried.secrets.reveal(target()) == "old"
        assert await tried.secrets.renew(target(), "old") is None  # read a moment ago
        tried.clock.pass_time(11)
        assert await tried.secrets.renew(target(), "old") is None  # read again, and still the same
        tried.clock.pass_time(11)
        assert await tried.secrets.renew(target(), "old") == "new"
        assert await tried.secrets.renew(target(), "old") == "new"  # another call's refusal: it is known by now
        assert await tried.secrets.reveal(target()) == "new"
        assert len(tried.stub.heard) == 3


async def test_many_at_once_ask_once() -> None:
    async with secrets_from(one_after_the_other("one")) as tried:
        assert await asyncio.gather(*(tried.secrets.reveal(target()) for _ in range(20))) == ["one"] * 20


async def test_a_secret_that_cannot_be_read_again_stays_what_it_was() -> None:
    async with secrets_from(one_after_the_other("one")) as tried:
        assert await tried.secrets.reveal(target()) == "one"
        tried.clock.pass_time(301)
        assert await tried.secrets.reveal(target()) == "one"
        assert tried.faults == ["secret_unreadable"]


async def test_a_parameter_of_the_systems_manager_is_read_decrypted() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        assert heard.header("x-amz-target") == "AmazonSSM.GetParameter"
        assert json.loads(heard.body) == {"Name": "/embedge-secrets/openai", "WithDecryption": True}
        await reply.send(json_answer({"Parameter": {"Value": SECRET}}))

    async with secrets_from(act) as tried:
        assert await tried.secrets.reveal(target("ssm:/embedge-secrets/openai")) == KEY


@pytest.mark.parametrize(
    "endpoint", ["https://api.openai.com/v1", "https://x.openai.azure.com/openai/v1?api-version=1"]
)
async def test_a_secret_goes_to_the_hosts_that_it_names(endpoint: str) -> None:
    async with secrets_from(give) as tried:
        assert await tried.secrets.reveal(target(endpoint=endpoint)) == KEY


@pytest.mark.parametrize(
    ("reference", "endpoint"),
    [
        (REFERENCE, "https://api.openai.com.evil.test/v1"),
        (REFERENCE, "https://evil.test/api.openai.com"),
        (REFERENCE, "https://openai.azure.com/v1"),
        (REFERENCE, "https://api.openai.com@evil.test/v1"),
        ("env:OPENAI_API_KEY", "https://evil.test/v1"),
        ("env:PLAIN", "https://api.openai.com/v1"),
        ("env:PLAIN", "https://evil.test/v1"),
    ],
)
async def test_a_secret_goes_nowhere_else_whatever_a_route_says(reference: str, endpoint: str) -> None:
    async with secrets_from(give) as tried:
        with pytest.raises(UpstreamRejected) as refused:
            await tried.secrets.reveal(target(reference, endpoint))
        assert KEY not in refused.value.message
        assert tried.faults == ["secret_of_other_hosts"]


def _error(status: int, code: str) -> bytes:
    return json_answer({"__type": code, "message": f"{NAME} {KEY}"}, status)


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
    json_answer({"Name": NAME, "SecretString": '{"key": "sk-very-secret"}'}),
    json_answer({"Name": NAME, "SecretString": '{"key": "sk-very-secret", "hosts": ["*"]}'}),
    json_answer({"Name": NAME, "SecretString": "{sk-very-secret"}),
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
        assert await tried.secrets.reveal(target()) == KEY


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
        await ReferencedSecrets({}, clients, FakeClock(), print).reveal(target())
    await clients.close()


@pytest.mark.slow
async def test_a_server_that_hangs_takes_a_request_a_few_seconds_and_no_more() -> None:
    async def hang(_: Reply, __: Heard) -> None:
        await asyncio.sleep(60)

    async with secrets_from(hang) as tried, asyncio.timeout(5.5):
        await tried.hides()
