"""What does DynamoDB do that no emulator does? A server that speaks just enough of it, and does what a test says."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.core.aws_access import Credentials, DynamoDbAccess

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its body, and what its checksum was made of (where that is not the body)."""

    body: object = field(default_factory=dict[str, object])
    status: int = 200
    checksum_of: bytes | None = None

    def as_bytes(self) -> bytes:
        body = json.dumps(self.body).encode()
        head = (
            f"HTTP/1.1 {self.status} X\r\n"
            "date: Fri, 15 Jan 2027 08:00:00 GMT\r\n"
            f"x-amz-crc32: {zlib.crc32(self.checksum_of or body)}\r\n"
            "content-type: application/x-amz-json-1.0\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def error(code: str, status: int = 400) -> Reply:
    """The answer that is this error."""
    return Reply({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as the test wants it"}, status)


# `hang` never answers; `reset` has done what was asked, and the connection ends before it can say so.
Answer: TypeAlias = Reply | Literal["hang", "reset"]


class DynamoDbStub:
    """The server: `requests` are the operations that it was asked for, with their arguments, in order."""

    def __init__(self, answer: Callable[[str, dict[str, object]], Answer]) -> None:
        self.requests: list[tuple[str, dict[str, object]]] = []
        self._answer = answer
        self._conversations: set[asyncio.Task[None]] = set()

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.add(asyncio.create_task(self._converse(reader, writer)))

    async def end(self) -> None:
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                self.requests.append(request)
                answer = self._answer(*request)
                if isinstance(answer, str):
                    await asyncio.sleep(60 if answer == "hang" else 0)
                    break
                writer.write(answer.as_bytes())
        finally:
            writer.transport.abort()


class Way:
    """Which of the two clients a test's stub is asked by; a fixture of the test's module says so."""

    chosen: Literal["plain", "lean"] = "plain"


def clients(url: str) -> AwsClients:
    """Clients of a DynamoDB on this machine, of the chosen way."""
    access = DynamoDbAccess(url, "us-east-1", Credentials("test", "test", ""))
    return AwsClients(StandIn(url, "us-east-1", "test", "test"), access if Way.chosen == "lean" else None)


@asynccontextmanager
async def dynamodb_stub(
    answer: Callable[[str, dict[str, object]], Answer],
) -> AsyncGenerator[tuple[AwsClients, DynamoDbStub]]:
    """Clients of a server that answers each operation and its arguments as told, and what it was asked."""
    stub = DynamoDbStub(answer)
    server = await asyncio.start_server(stub.begin, "127.0.0.1", 0)
    aws = clients(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield aws, stub
    finally:
        await aws.close()
        server.close()
        await stub.end()


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, object]] | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    lines = (line.split(": ", 1) for line in head.splitlines()[1:] if line)
    headers = {name.lower(): value for name, value in lines}
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    return headers["x-amz-target"].rpartition(".")[2], body
