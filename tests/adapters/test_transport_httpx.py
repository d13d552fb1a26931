"""Does a call end in time, sent once, and where it fails in an exception that is true of what may have been billed?"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded

from embedge.adapters.transport_httpx import HttpxTransport
from embedge.core.route import CallLimits, Target
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse
from tests.adapters.breaking_off import BREAKING_OFF, NEVER_DONE
from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, refusing_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    Act = Callable[[Reply, Heard], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("way")

SECRET = "sk-secret-0123456789"
REQUEST = WireRequest(
    "/embeddings", (("Authorization", f"Bearer {SECRET}"), ("X-Mixed-Case", "a B")), b'{"input": "x"}'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
TIMEOUT_S = 1.0


def target(url: str, read_timeout_s: float = TIMEOUT_S, connect_timeout_s: float = 0.6) -> Target:
    return Target(
        id="t",
        provider="openai",
        transport="https",
        endpoint=url,
        model="m",
        secret=None,
        price_nano_usd_per_million_tokens=1,
        limits=CallLimits(1, 1, 1, 1),
        priority=0,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
        private=True,
    )


@asynccontextmanager
async def transport() -> AsyncGenerator[HttpxTransport]:
    made = HttpxTransport()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def server(act: Act) -> AsyncGenerator[tuple[HttpxTransport, HttpStub]]:
    async with http_stub(act) as stub, transport() as made:
        yield made, stub


async def fails(made: HttpxTransport, where: Target, request: WireRequest = REQUEST) -> NotSent | NoAnswer:
    """Return how a call fails, having held what it says to being secret."""
    with pytest.raises((NotSent, NoAnswer)) as failed:
        await made.send(where, request)
    error: BaseException | None = failed.value
    while error is not None:
        assert SECRET not in repr(error)
        error = error.__cause__
    return failed.value


async def test_a_request_arrives_as_it_was_and_its_answer_comes_back_as_it_is() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"\x00body", 418, {"X-Answer": "A b", "Retry-After": "7"}))

    async with server(act) as (made, stub):
        response = await made.send(target(stub.url + "/v1"), REQUEST)
        assert response == WireResponse(418, dict(response.headers), b"\x00body")
        assert (response.headers["x-answer"], response.headers["retry-after"]) == ("A b", "7")
        assert all(name == name.lower() for name in response.headers)
        (heard,) = stub.heard
        assert heard.line == "POST /v1/embeddings HTTP/1.1"
        assert heard.body == REQUEST.body
        assert [heard.header(name.lower()) for name, _ in REQUEST.headers] == [value for _, value in REQUEST.headers]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_never_followed(status: int) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"", status, {"Location": f"{stub.url}/elsewhere"}))

    async with server(act) as (made, stub):
        assert (await made.send(target(stub.url), REQUEST)).status == status
        assert len(stub.heard) == 1


async def test_a_connection_is_used_again() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        for _ in range(3):
            assert (await made.send(target(stub.url), REQUEST)).body == b"right"
        assert (stub.connections, len(stub.heard)) == (1, 3)


async def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))
        reply.close()

    async with server(act) as (made, stub):
        for _ in range(3):
            assert (await made.send(target(stub.url), REQUEST)).body == b"right"
            await asyncio.sleep(0.01)
        assert (stub.connections, len(stub.heard)) == (3, 3)


async def test_what_a_server_wants_remembered_is_told_to_nobody() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right", 200, {"Set-Cookie": "tenant=acme; Path=/"}))

    async with server(act) as (made, stub):
        for _ in range(2):
            await made.send(target(stub.url), REQUEST)
        assert [heard.header("cookie") for heard in stub.heard] == [None, None]


async def test_no_answer_is_to_be_packed_for_unpacking_takes_longer_than_what_it_saves() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        await made.send(target(stub.url), REQUEST)
        assert stub.heard[0].header("accept-encoding") == "identity"


# What fails.


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1", "nonsense", "http://a b", ""])
async def test_an_endpoint_that_is_no_address_is_not_sent_to(url: str) -> None:
    async with transport() as made:
        assert isinstance(await fails(made, target(url)), NotSent)


async def test_a_refused_connection_is_not_sent() -> None:
    async with transport() as made:
        assert isinstance(await fails(made, target(await refusing_url())), NotSent)


async def test_a_server_that_speaks_no_tls_is_not_sent_to() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        assert isinstance(await fails(made, target(stub.url.replace("http:", "https:"), 10)), NotSent)


@pytest.mark.parametrize(
    "value", [f"Bearer {SECRET}\n", f"Bearer {SECRET}\r\nX: y", f"Bearer {SECRET}é", f"{SECRET}\0"]
)
async def test_a_header_that_cannot_be_written_is_not_sent_and_not_shown(value: str) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        failed = await fails(made, target(stub.url), WireRequest("", (("Authorization", value),), b""))
        assert isinstance(failed, NotSent)
        assert stub.heard == []


async def _broken_gzip(reply: Reply, _: Heard) -> None:
    await reply.send(answer(gzip.compress(b"right" * 99)[:-8] + bytes(8), 200, {"Content-Encoding": "gzip"}))


BROKEN = [*BREAKING_OFF, _broken_gzip]


@pytest.mark.parametrize("act", BROKEN)
async def test_an_answer_that_breaks_off_is_none_and_is_not_asked_for_again(act: Act) -> None:
    async with server(act) as (made, stub):
        failed = await fails(made, target(stub.url))
        assert type(failed) is NoAnswer
        assert len(stub.heard) == 1


async def test_who_is_cancelled_is_cancelled_and_has_not_timed_out() -> None:
    heard = asyncio.Event()

    async def act(_: Reply, __: Heard) -> None:
        heard.set()
        await asyncio.sleep(60)

    async with server(act) as (made, stub):
        call = asyncio.create_task(made.send(target(stub.url, 5), REQUEST))
        await heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def _trickle_of_a_head(reply: Reply, _: Heard) -> None:
    await reply.send(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 1000, pause_s=0.02)


@pytest.mark.parametrize("act", [*NEVER_DONE, _trickle_of_a_head])
async def test_an_answer_that_is_too_slow_as_a_whole_timed_out(act: Act) -> None:
    async with server(act) as (made, stub):
        assert isinstance(await fails(made, target(stub.url)), TimedOut)
        assert len(stub.heard) == 1


async def test_after_any_failure_the_next_call_is_served() -> None:
    acts: list[Act] = [*BROKEN, *NEVER_DONE]

    async def act(reply: Reply, heard: Heard) -> None:
        if acts:
            await acts.pop()(reply, heard)
        else:
            await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        while acts:
            await fails(made, target(stub.url))
        assert (await made.send(target(stub.url), REQUEST)).body == b"right"


MEGABYTE = 1024 * 1024


async def test_an_answer_has_at_most_64_megabytes() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        size = int(heard.body)
        await reply.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(0, size, MEGABYTE):
            await reply.send(bytes(min(MEGABYTE, size)))
        await reply.send(bytes(size % MEGABYTE))

    async with server(act) as (made, stub):
        largest = WireRequest("", (), b"%d" % (64 * MEGABYTE))
        assert len((await made.send(target(stub.url, 20), largest)).body) == 64 * MEGABYTE
        one_more = WireRequest("", (), b"%d" % (65 * MEGABYTE))
        assert type(await fails(made, target(stub.url, 20), one_more)) is NoAnswer


async def test_a_small_answer_does_not_become_a_huge_one() -> None:
    bomb = gzip.compress(bytes(65 * MEGABYTE))

    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(bomb, 200, {"Content-Encoding": "gzip"}))

    async with server(act) as (made, stub):
        assert type(await fails(made, target(stub.url, 20))) is NoAnswer


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async def act(reply: Reply, heard: Heard) -> None:
        await asyncio.sleep(int(heard.body) % 7 / 500)
        await reply.send(answer(heard.body))

    async with server(act) as (made, stub):
        requests = [WireRequest("", (), b"%d" % number) for number in range(100)]
        answers = await asyncio.gather(*(made.send(target(stub.url, 10, 10), request) for request in requests))
        assert [response.body for response in answers] == [request.body for request in requests]


async def test_a_closed_transport_can_be_used_again() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        for _ in range(2):
            assert (await made.send(target(stub.url), REQUEST)).body == b"right"
            await made.close()
            await made.close()


async def test_the_endpoints_query_stays_behind_the_path() -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"right"))

    async with server(act) as (made, stub):
        await made.send(target(stub.url + "/openai/deployments/d/?api-version=2024-10-21"), REQUEST)
        assert stub.heard[0].path == "/openai/deployments/d/embeddings?api-version=2024-10-21"


async def test_a_proxy_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(reply: Reply, _: Heard) -> None:
        await reply.send(answer(b"from the proxy"))

    async with http_stub(act) as proxy, transport() as made:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        outside = replace(target("http://provider.test/v1"), private=False)
        assert (await made.send(outside, REQUEST)).body == b"from the proxy"
        assert proxy.heard[0].path == "http://provider.test/v1/embeddings"


@asynccontextmanager
async def server_of_both_versions(folder: Path) -> AsyncGenerator[int]:
    """A TLS server that answers over HTTP/2 where it is offered, and else over HTTP/1.1, by the version's name."""
    certificate = _self_signed(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            await _answer_over_http2(reader, writer)
        else:
            await reader.readuntil(REQUEST.body)
            writer.write(answer(b"HTTP/1.1"))
        await writer.drain()
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def _answer_over_http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while data := await reader.read(65_536):
        for event in connection.receive_data(data):
            if isinstance(event, StreamEnded):
                connection.send_headers(event.stream_id, [(":status", "200")])
                connection.send_data(event.stream_id, b"HTTP/2", end_stream=True)
                writer.write(connection.data_to_send())
                return


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    encoding = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(encoding, form, plain) + certificate.public_bytes(encoding))
    return file


@pytest.mark.parametrize("spoken", [b"HTTP/1.1", b"HTTP/2"])
async def test_http2_is_spoken_where_the_target_wants_it_and_the_server_offers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: bytes
) -> None:
    async with server_of_both_versions(tmp_path) as port, transport() as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "localhost.pem"))
        where = replace(target(f"https://localhost:{port}/v1", read_timeout_s=5), http2=spoken == b"HTTP/2")
        assert (await made.send(where, REQUEST)).body == spoken
