"""Does the lean client do what the plain one does, and is a connection never used for what it may not be?"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
from botocore.exceptions import BotoCoreError

from benchmarks.mutated_replies import compare
from embedge.adapters import aws_clients
from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.core.aws_access import Credentials, DynamoDbAccess, dynamodb_access

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

_DATE = b"date: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
_PLAIN = b"HTTP/1.1 200 OK\r\n" + _DATE + b"content-length: 2\r\n\r\n{}"
_CHUNKED = b"HTTP/1.1 200 OK\r\n" + _DATE + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
_ENVIRON = {"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass
class Server:
    """A server that answers every request with the next of these bytes; `seen` counts requests by connection."""

    replies: list[bytes]
    seen: list[int] = field(default_factory=list[int])
    open: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # by the other side

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.seen)
        self.seen.append(0)
        self.open.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                self.seen[number] += 1
                for piece in self.replies.pop(0).split(b"|"):
                    writer.write(piece)
                    await asyncio.sleep(0.005)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()
            writer.close()


@asynccontextmanager
async def asked(*replies: bytes) -> AsyncGenerator[tuple[AwsClients, Server]]:
    server = Server(list(replies))
    listening = await asyncio.start_server(server.converse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    aws = AwsClients(
        StandIn(url, "us-east-1", "id", "secret"), DynamoDbAccess(url, "us-east-1", Credentials("id", "secret", ""))
    )
    try:
        yield aws, server
    finally:
        await aws.close()
        for writer in server.open:
            writer.close()
        listening.close()
        await listening.wait_closed()


async def put(aws: AwsClients) -> None:
    await (await aws.dynamodb()).put_item(TableName="t", Item={"k": {"B": b"k"}})


async def test_mutated_replies_are_read_alike() -> None:
    counted = await compare(1_000, seed=1)
    assert counted["returned"] > 200
    assert counted["ClientError"] > 200
    assert counted["frames taken"] > 200


async def test_a_connection_is_kept() -> None:
    async with asked(_PLAIN, _PLAIN, _PLAIN) as (aws, server):
        for _ in range(3):
            await put(aws)
        assert server.seen == [3]


async def test_a_reply_may_come_in_any_pieces() -> None:
    pieces = b"|".join(bytes((byte,)) for byte in _PLAIN)
    async with asked(pieces, _PLAIN) as (aws, server):
        await put(aws)
        await put(aws)
        assert server.seen == [2]


@pytest.mark.parametrize(
    "last", [_PLAIN.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), _PLAIN + b"|" + _PLAIN]
)
async def test_a_connection_is_not_kept_that_is_announced_to_close_or_says_what_nobody_asked(last: bytes) -> None:
    async with asked(last, _PLAIN) as (aws, server):
        await put(aws)
        async with asyncio.timeout(5):
            await server.ended.wait()
        await put(aws)
        assert server.seen == [1, 1]


async def test_a_connection_that_was_closed_while_nobody_asked_is_made_anew_and_nothing_is_sent_on_it() -> None:
    async with asked(_PLAIN, _PLAIN) as (aws, server):
        await put(aws)
        server.open[0].close()
        await server.open[0].wait_closed()
        await asyncio.sleep(0.05)
        await put(aws)
        assert server.seen == [1, 1]


async def test_a_write_whose_reply_has_an_unusual_frame_is_of_unknown_outcome_and_then_all_goes_the_plain_way() -> None:
    async with asked(_CHUNKED, _CHUNKED) as (aws, server):
        with pytest.raises(BotoCoreError):
            await put(aws)
        await put(aws)  # the plain client reads it
        assert server.seen == [1, 1]


async def test_a_read_whose_reply_has_an_unusual_frame_is_asked_again_the_plain_way() -> None:
    async with asked(_CHUNKED, _CHUNKED) as (aws, server):
        client = await aws.dynamodb()
        reply = await client.query(TableName="t", KeyConditionExpression="pk = :pk")
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert server.seen == [1, 1]


async def test_other_operations_are_the_plain_clients() -> None:
    async with asked(_PLAIN) as (aws, server):
        reply = await (await aws.dynamodb()).get_item(TableName="t", Key={"k": {"B": b"k"}})
        assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert server.seen == [1]


def test_the_roots_that_are_shipped_are_amazons_and_among_those_that_all_trust() -> None:
    file = Path(aws_clients.__file__).with_name("amazon_roots.pem")
    text = file.read_text()
    blocks = re.findall("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)
    everyones = Path(certifi.where()).read_text()
    assert all(block in everyones for block in blocks)
    shipped: Any = ssl.create_default_context(cafile=str(file)).get_ca_certs()
    names = sorted(dict(part[0] for part in root["subject"])["commonName"] for root in shipped)
    amazon = [f"Amazon Root CA {number}" for number in (1, 2, 3, 4)]
    assert names == [*amazon, "Starfield Services Root Certificate Authority - G2"]


def test_an_environment_with_keys_and_a_region_is_plain() -> None:
    assert dynamodb_access(_ENVIRON) == DynamoDbAccess(
        "https://dynamodb.eu-north-1.amazonaws.com", "eu-north-1", Credentials("id", "secret", "")
    )
    more = {"AWS_ENDPOINT_URL_DYNAMODB": "http://h:1", "AWS_SESSION_TOKEN": "t", "AWS_CA_BUNDLE": "ca.pem"}
    expected = DynamoDbAccess("http://h:1", "eu-north-1", Credentials("id", "secret", "t"), "ca.pem")
    assert dynamodb_access(_ENVIRON | more) == expected


@pytest.mark.parametrize(
    "more",
    [
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_REGION": ""},
        {"AWS_REGION": "cn-north-1"},
        {"AWS_REGION": "us-gov-west-1"},
        {"AWS_PROFILE": "dev"},
        {"HTTPS_PROXY": "http://proxy"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/"},
        {"AWS_ENDPOINT_URL": "http://h/path"},
        {"AWS_ENDPOINT_URL": "ftp://h"},
    ],
)
def test_where_an_sdk_would_look_further_it_is_left_to_one(more: Mapping[str, str]) -> None:
    assert dynamodb_access({**_ENVIRON, **more}) is None
