"""How are so many requests kept under way, and no more? By connections that ask again as soon as they are answered."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, TypeAlias, cast

from typing_extensions import override

Input: TypeAlias = str | list[str]
Encoding: TypeAlias = Literal["float", "base64"]
FOR_EVER = 10**9
_GOOD = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class Load:
    """Where to ask, with what token, and for which texts: `text` is given the number of each request, from 0."""

    port: int
    token: str
    text: Callable[[int], Input]
    encoding: Encoding = "base64"
    model: str = "bench"

    def request(self, number: int) -> bytes:
        """Return one request as it goes over the wire."""
        body = json.dumps({"model": self.model, "input": self.text(number), "encoding_format": self.encoding})
        return (
            f"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


@dataclass(slots=True)
class Seen:
    """What came back: the seconds of each answer that was a 200, the heads of the others, and the whole time."""

    seconds: list[float] = field(default_factory=list[float])
    errors: list[bytes] = field(default_factory=list[bytes])
    elapsed_s: float = 0.0


class Turns:
    """Hands out requests until there have been enough, or it is time."""

    def __init__(self, load: Load, requests: int, longest_s: float) -> None:
        """Take how many to send at most, and for how long."""
        self._load = load
        self._left = requests
        self._until_s = perf_counter() + longest_s
        self._number = 0

    def take(self) -> bytes | None:
        """Return the next request, None where there is none."""
        if self._number >= self._left or perf_counter() >= self._until_s:
            return None
        self._number += 1
        return self._load.request(self._number - 1)


async def checked(load: Load, concurrency: int, requests: int, longest_s: float) -> Seen:
    """Ask as `run` does. Raises: SystemExit where anything but a 200 came back."""
    seen = await run(load, concurrency, requests, longest_s)
    if seen.errors:
        raise SystemExit(f"{len(seen.errors)} requests failed, the first with {seen.errors[0]!r}")
    return seen


async def run(load: Load, concurrency: int, requests: int, longest_s: float) -> Seen:
    """Ask over so many connections at once. Raises: ConnectionError where one of them is closed."""
    seen, turns, began_s = Seen(), Turns(load, requests, longest_s), perf_counter()
    loop = asyncio.get_running_loop()
    clients = [_Client(turns, seen, loop.create_future()) for _ in range(concurrency)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", load.port)
    await asyncio.gather(*(client.done for client in clients))
    seen.elapsed_s = perf_counter() - began_s
    return seen


class _Client(asyncio.Protocol):
    """One connection: as little work for each answer as can be, for it runs on the same machine."""

    def __init__(self, turns: Turns, seen: Seen, done: asyncio.Future[None]) -> None:
        self.done = done
        self._turns = turns
        self._seen = seen
        self._received = bytearray()
        self._whole = 0
        self._asked_s = 0.0
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            self._whole = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if self._whole and len(self._received) >= self._whole:
            self._answered()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the router closed a connection that was in use"))

    def _answered(self) -> None:
        if self._received.startswith(_GOOD):
            self._seen.seconds.append(perf_counter() - self._asked_s)
        else:
            self._seen.errors.append(bytes(self._received[:200]))
        self._received.clear()
        self._whole = 0
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        request = self._turns.take()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._asked_s = perf_counter()
        self._transport.write(request)
