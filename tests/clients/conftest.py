"""What do these tests share? One provider, one router, two frugal ones, and every client, each started once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.clients import router as routers
from tests.clients.asked import Asked
from tests.clients.table import CLIENTS, Client, named
from tests.e2e.tools import here, need
from tests.upstream import Upstream, openai_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture(scope="session")
def provider() -> Iterator[Upstream]:
    with openai_upstream() as running:
        yield running


@pytest.fixture(scope="session")
def router(tmp_path_factory: pytest.TempPathFactory, provider: Upstream) -> Iterator[routers.Router]:
    with routers.router(tmp_path_factory.mktemp("clients"), provider) as running:
        yield running


@pytest.fixture(scope="session")
def slow(router: routers.Router) -> Iterator[routers.Router]:
    """A router that takes one request a minute from each tenant."""
    with routers.frugal(router, requests_per_minute=1, day_nano_usd=10**12) as running:
        yield running


@pytest.fixture(scope="session")
def moneyless(router: routers.Router) -> Iterator[routers.Router]:
    """A router whose tenants have no budget."""
    with routers.frugal(router, requests_per_minute=6_000, day_nano_usd=0) as running:
        yield running


@pytest.fixture(scope="session")
def running() -> Iterator[Mapping[str, Asked]]:
    """Every client that can be had, all of them loading at once."""
    with ExitStack() as stack:
        clients = {client.name: Asked.start(client) for client in CLIENTS if here(client.tool)}
        for client in clients.values():
            stack.callback(client.wait)
        for client in clients.values():
            stack.callback(client.end)  # first: the last callback is the first called
        yield clients


@pytest.fixture(params=CLIENTS, ids=named)
def client(request: pytest.FixtureRequest, running: Mapping[str, Asked]) -> Asked:
    """Each client in turn, or those that a test names with `those`."""
    wanted: Client = request.param
    need("clients", wanted.tool)
    return running[wanted.name]
