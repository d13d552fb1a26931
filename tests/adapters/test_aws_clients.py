"""Is each client made once, whoever asks, and never with anything that repeats a call behind our back?"""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace

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
    for _ in range(2):  # the first looks around once before it begins
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


def test_a_connection_that_was_closed_while_the_process_was_frozen_is_not_used_again() -> None:
    """Frozen: the loop does not run, so nobody in the process has heard of it."""
    close, closed = threading.Event(), threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            with listening.accept()[0] as connection:
                while b"ListTables" not in connection.recv(65_536):
                    pass
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"TableNames":[]}')
                close.wait(5)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listening, asyncio.Runner() as runner:
        listening.settimeout(5)
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        aws = AwsClients(replace(_STAND_IN, url=f"http://127.0.0.1:{listening.getsockname()[1]}"))

        async def tables() -> list[str]:
            return (await (await aws.dynamodb()).list_tables())["TableNames"]

        assert runner.run(tables()) == []
        close.set()
        closed.wait(5)
        assert runner.run(tables()) == []
        runner.run(aws.close())
        thread.join()
