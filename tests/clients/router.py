"""What do the clients ask? The laptop's stack with routes to the provider of the tests, and a frugal one beside it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from embedge.bootstrap.operating import operate_folder
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.settings import Settings
from tests.clients.table import CLIENTS
from tests.e2e.tools import ROOT
from tests.infra.test_laptop import free_port, laptop

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from embedge.core.request import Scope
    from tests.upstream import Upstream

MINILM = "local/minilm"
REDUCIBLE = "reducible"
# Of those that fail by turns there is one for each client: what others meet there would open its breaker.
BEHAVIOURS = (
    *("status-400", "status-401", "status-500"),
    *(f"{behaviour}-{one.tenant()}" for behaviour in ("nonsense", "recovers") for one in CLIENTS),
)


@dataclass(frozen=True, slots=True)
class Router:
    """A running router, and the state that it stands on."""

    url: str
    state: Path
    log: Path

    def token(
        self,
        tenant: str,
        *,
        models: tuple[str, ...] = ("*",),
        scopes: tuple[Scope, ...] = ISSUED_SCOPES,
        lifetime_s: int = 3600,
    ) -> str:
        """Mint a token as an operator does."""

        async def minted() -> str:
            operation = operate_folder(self.state, Settings(state=self.state))
            try:
                return await mint(operation, tenant=tenant, scopes=scopes, models=models, lifetime_s=lifetime_s)
            finally:
                await operation.close()

        return asyncio.run(minted())

    def statuses(self, tenant: str) -> list[int]:
        """The status of every request for embeddings that has arrived from a tenant, in order.

        A request is logged once it is answered, so the log is read as far as a last one of ours.
        """
        headers = {"Authorization": f"Bearer {self.token('the-last')}"}
        last = httpx.get(f"{self.url}/models", headers=headers).headers["x-request-id"]
        arrived: list[int] = []
        with self.log.open() as log:
            while True:
                line = log.readline()
                if not line.endswith("\n"):
                    log.seek(log.tell() - len(line.encode()))
                    time.sleep(0.01)
                    continue
                logged = json.loads(line)
                if logged.get("message") != "request":
                    continue
                if logged["request_id"] == last:
                    return arrived
                if logged.get("tenant") == tenant:
                    arrived.append(logged["status"])


@contextmanager
def router(state: Path, provider: Upstream) -> Generator[Router]:
    """Start what `make run` starts, and apply the routes."""
    with laptop(state, free_port()) as running:
        routes = {state / f"{alias}.json": provider.route(alias) for alias in (REDUCIBLE, *BEHAVIOURS)}
        for file, document in routes.items():
            file.write_text(document)
        apply = (sys.executable, "-m", "embedge.cli", "--state", state, "routes", "apply", *routes)
        subprocess.run(apply, check=True, capture_output=True)
        yield Router(running.shown("Base URL"), state, state / "embedge.log")


@contextmanager
def frugal(beside: Router, *, requests_per_minute: int, day_nano_usd: int) -> Generator[Router]:
    """Start a router on the same state whose tenants may use as much as this."""
    log = beside.state / f"frugal-{requests_per_minute}-{day_nano_usd}.log"
    arguments = (str(beside.state), str(log), str(requests_per_minute), str(day_nano_usd))
    command = [sys.executable, "-m", "tests.clients.frugal", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Router(process.stdout.readline().strip(), beside.state, log)
    finally:
        process.communicate(timeout=10)
