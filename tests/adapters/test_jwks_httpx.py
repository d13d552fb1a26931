"""Are an issuer's keys fetched by https alone, from one place, and given up where it is slow, large or elsewhere?"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.jwks_httpx import HttpxKeyDocuments
from embedge.core.issuer import PublishedKeys
from embedge.errors import ServiceUnavailable
from tests.adapters.http_stub import answer
from tests.adapters.test_transport_httpx import _self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path
    from typing import Any

_DOCUMENT = b'{"keys": []}'


class Publisher:
    """A server that says `reply` to whoever asks, and remembers what was `asked`."""

    def __init__(self, port: int, asked: list[str]) -> None:
        self.url = f"https://localhost:{port}/keys"
        self.asked = asked


@asynccontextmanager
async def publisher(
    certificate: Path, reply: Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
) -> AsyncGenerator[Publisher]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    asked: list[str] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await reply(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield Publisher(listening.sockets[0].getsockname()[1], asked)
        for writer in writers:
            writer.transport.abort()
    await asyncio.sleep(0.05)  # what was aborted is closed by then


def says(content: bytes) -> Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return reply


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for localhost that this process trusts."""
    file = _self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


async def fetched(url: str, *, private: bool = True) -> bytes:
    return await HttpxKeyDocuments().fetch(PublishedKeys(url, private))


async def test_what_is_there_is_fetched_without_a_word_of_who_we_are(certificate: Path) -> None:
    async with publisher(certificate, says(answer(_DOCUMENT))) as there:
        assert await fetched(there.url) == _DOCUMENT
        assert "authorization" not in there.asked[0].lower()
        assert "cookie" not in there.asked[0].lower()


NOT_HAD = [
    answer(_DOCUMENT, status=404),
    answer(_DOCUMENT, status=204),
    answer(b"", status=302, headers={"Location": "https://localhost/elsewhere"}),
    answer(_DOCUMENT, status=307, headers={"Location": "/keys2"}),
    answer(b"x" * (64 * 1024 + 1)),
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    b"not http",
    b"",
]


@pytest.mark.parametrize("content", NOT_HAD, ids=range(len(NOT_HAD)))
async def test_anything_but_a_small_whole_answer_is_none_and_no_redirect_is_followed(
    certificate: Path, content: bytes
) -> None:
    async with publisher(certificate, says(content)) as there:
        with pytest.raises(ServiceUnavailable):
            await fetched(there.url)
        assert len(there.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_though_the_keys_lie_there(certificate: Path, status: int) -> None:
    elsewhere = answer(status=status, headers={"Location": "/keys2", "Connection": "close"})
    replies = iter([elsewhere, answer(_DOCUMENT), answer(_DOCUMENT)])

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(next(replies))
        await writer.drain()

    async with publisher(certificate, reply) as there:
        with pytest.raises(ServiceUnavailable):
            await fetched(there.url)
        assert len(there.asked) == 1


async def test_an_answer_that_grows_when_it_is_inflated_is_given_up(certificate: Path) -> None:
    bomb = answer(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
    async with publisher(certificate, says(bomb)) as there:
        with pytest.raises(ServiceUnavailable):
            await fetched(there.url)


async def test_a_server_that_does_not_answer_is_given_up_after_two_seconds(certificate: Path) -> None:
    async def never(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(40):  # a byte now and then keeps a timeout between bytes from ending it
            writer.write(b"x")
            await asyncio.sleep(0.2)

    async with publisher(certificate, never) as there:
        async with asyncio.timeout(6):
            with pytest.raises(ServiceUnavailable):
                await fetched(there.url)


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path: Path) -> None:
    async with publisher(_self_signed(tmp_path), says(answer(_DOCUMENT))) as there:
        with pytest.raises(ServiceUnavailable):
            await fetched(there.url)


async def test_nothing_is_fetched_without_tls() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(_DOCUMENT))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        for scheme in ("https", "http"):
            with pytest.raises(ServiceUnavailable):
                await fetched(f"{scheme}://localhost:{port}/keys")


async def test_an_issuer_that_is_not_private_is_not_asked_where_its_name_leads_inside(certificate: Path) -> None:
    async with publisher(certificate, says(answer(_DOCUMENT))) as there:
        with pytest.raises(ServiceUnavailable):
            await fetched(there.url, private=False)
        assert there.asked == []
