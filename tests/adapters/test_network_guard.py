"""Does a connection that must go outside never reach an address inside, whatever its name resolves to?"""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import httpcore
import pytest
from typing_extensions import override

from embedge.adapters.network_guard import OutsideOnly
from embedge.adapters.transport_httpx import HttpxTransport
from embedge.ports import NotSent
from tests.adapters.http_stub import Heard, Reply, answer, http_stub
from tests.adapters.test_transport_httpx import REQUEST, target


class Connector(httpcore.AsyncMockBackend):
    """Remembers where it was to connect, and refuses the first `refusals`."""

    def __init__(self, refusals: int = 0) -> None:
        super().__init__([])
        self.connected: list[str] = []
        self._refusals = refusals

    @override
    async def connect_tcp(self, host: str, *rest: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if len(self.connected) <= self._refusals:
            raise httpcore.ConnectError
        return await super().connect_tcp(host, *rest, **named)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to: the system's resolver stands outside, and this in its place."""
    known: dict[str, list[str]] = {}

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        if host not in known:
            raise socket.gaierror(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["169.254.169.254"], ["1.1.1.1", "127.0.0.1"], ["::1"]])
async def test_a_name_that_leads_inside_is_not_connected_to(names: dict[str, list[str]], addresses: list[str]) -> None:
    names["evil.test"] = addresses
    inner = Connector()
    with pytest.raises(httpcore.ConnectError, match="lies inside"):
        await OutsideOnly(inner).connect_tcp("evil.test", 443)
    assert inner.connected == []


async def test_what_was_checked_is_what_is_connected_to(names: dict[str, list[str]]) -> None:
    names["good.test"] = ["1.1.1.1", "1.0.0.1", "1.1.1.1"]
    inner = Connector(refusals=1)
    await OutsideOnly(inner).connect_tcp("good.test", 443, timeout=1)
    assert inner.connected == ["1.1.1.1", "1.0.0.1"]


async def test_where_no_address_answers_nothing_was_sent(names: dict[str, list[str]]) -> None:
    names["down.test"] = ["1.1.1.1", "1.0.0.1"]
    inner = Connector(refusals=2)
    with pytest.raises(httpcore.ConnectError):
        await OutsideOnly(inner).connect_tcp("down.test", 443)
    assert inner.connected == ["1.1.1.1", "1.0.0.1"]
    with pytest.raises(httpcore.ConnectError, match="could not be resolved"):
        await OutsideOnly(Connector()).connect_tcp("unknown.test", 443)


async def _right(reply: Reply, _: Heard) -> None:
    await reply.send(answer(b"right"))


async def test_only_a_private_target_reaches_this_machine_and_no_other_rides_on_its_connection() -> None:
    made = HttpxTransport()
    async with http_stub(_right) as stub:
        assert (await made.send(target(stub.url), REQUEST)).body == b"right"
        for url in (stub.url, stub.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(NotSent):
                await made.send(replace(target(url), private=False), REQUEST)
        assert len(stub.heard) == 1
    await made.close()
