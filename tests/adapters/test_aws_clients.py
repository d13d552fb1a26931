"""Is each client made once, whoever asks, and never with anything that repeats a call behind our back?"""

from __future__ import annotations

import asyncio

from embedge.adapters.aws_clients import AwsClients, StandIn

_STAND_IN = StandIn("http://127.0.0.1:9", "eu-north-1", "id", "secret")


async def test_many_who_ask_at_once_share_one_client() -> None:
    aws = AwsClients(_STAND_IN)
    clients = await asyncio.gather(*(aws.dynamodb() for _ in range(20)))
    assert len(set(map(id, clients))) == 1
    await aws.close()


async def test_who_asked_first_may_be_cancelled_and_the_others_still_get_the_client() -> None:
    aws = AwsClients(_STAND_IN)
    first, second = asyncio.create_task(aws.secrets_manager()), asyncio.create_task(aws.secrets_manager())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).meta.region_name == "eu-north-1"
    await aws.close()


async def test_a_client_goes_to_the_stand_in_and_repeats_nothing() -> None:
    aws = AwsClients(_STAND_IN)
    client = await aws.sagemaker_runtime()
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    await aws.close()


async def test_after_closing_a_new_client_is_made() -> None:
    aws = AwsClients(_STAND_IN)
    before = await aws.dynamodb()
    await aws.close()
    after = await aws.dynamodb()
    assert after is not before
    await aws.close()
    await aws.close()


async def test_a_client_that_could_not_be_made_is_tried_again() -> None:
    aws = AwsClients(StandIn("no url", "eu-north-1", "id", "secret"))
    for _ in range(2):
        try:
            await aws.dynamodb()
        except ValueError as refused:
            assert "Invalid endpoint" in str(refused)  # noqa: PT017 (each time)
        else:
            raise AssertionError("made from nonsense")
    await aws.close()
