"""What can a server do to a client? Anything: one on this machine that hears requests and acts as a test says."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came: names of headers as they were written."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Reply:
    """What a server does with a request: it writes what it wants, as slowly as it wants, and may break off."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes, pause_s: float = 0) -> None:
        """Write each part, after a pause."""
        for part in parts:
            await asyncio.sleep(pause_s)
            self._writer.write(part)
            await self._writer.drain()

    async def hung_up(self) -> None:
        """Wait until the client has ended the connection."""
        with suppress(ConnectionError):
            await self._reader.read()

    def reset(self) -> None:
        """End the connection at once, by a reset."""
        self._writer.transport.abort()

    def close(self) -> None:
        """End the connection once everything is written."""
        self._writer.close()


def answer(body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer as it goes over the wire."""
    lines = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer whose body is JSON."""
    return answer(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})


@dataclass(slots=True)
class HttpStub:
    """Where the server is, and what it has heard."""

    url: str
    heard: list[Heard] = field(default_factory=list[Heard])
    connections: int = 0


@asynccontextmanager
async def http_stub(
    act: Callable[[Reply, Heard], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncGenerator[HttpStub]:
    """A server that does to each request what `act` does; over TLS, it is `localhost`."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        conversations.add(current)
        stub.connections += 1
        number = stub.connections
        try:
            while not writer.is_closing() and (heard := await _heard(reader, writer, number)) is not None:
                stub.heard.append(heard)
                await act(Reply(reader, writer), heard)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    stub = HttpStub(f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}")
    try:
        yield stub
    finally:
        server.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations)


async def refusing_url() -> str:
    """Where nobody listens."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def _heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Heard | None:
    try:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    except asyncio.IncompleteReadError:
        return None
    pairs = [text.split(":", 1) for text in lines if text]
    headers = tuple((name, value.strip()) for name, value in pairs)
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    if any(name.lower() == "expect" for name, _ in headers):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Heard(line, headers, await reader.readexactly(length), connection)
