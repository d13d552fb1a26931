"""How is the router asked without a server in front? Its real application over SQLite, called as a server would."""

import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from starlette.types import ASGIApp

from embedge.api.app import create_app
from embedge.bootstrap.operating import operate_folder
from embedge.bootstrap.serving import serve
from embedge.cli.key_commands import init_keys
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.kept_answer import LARGEST_KEPT_BYTES
from embedge.core.request import NO_LIMIT, Limits
from embedge.core.route_document import parse_route
from embedge.settings import Settings
from embedge.verification import ROUTES

_NO_LIMITS = Limits(10**6, 10**12, NO_LIMIT, NO_LIMIT, NO_LIMIT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what it took: of the clock, and of this process's processor time."""

    status: int
    headers: Mapping[str, str]
    body_bytes: int
    elapsed_s: float
    processor_s: float


@dataclass(frozen=True, slots=True)
class Router:
    """The application, and a token that it takes."""

    app: ASGIApp
    token: str

    async def ask(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a body to /v1/embeddings, all at once."""
        sent: list[Any] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 (ASGI's own)
            sent.append(message)

        began_s, began_processor_s = perf_counter(), process_time()
        await self.app(self._scope(headers or {}), receive, send)
        elapsed_s, processor_s = perf_counter() - began_s, process_time() - began_processor_s
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body_bytes = sum(len(part["body"]) for part in sent[1:])
        return Answer(sent[0]["status"], answered, body_bytes, elapsed_s, processor_s)

    def _scope(self, headers: Mapping[str, str]) -> dict[str, object]:
        usual = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        return {
            "type": "http",
            "method": "POST",
            "path": "/v1/embeddings",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in (usual | dict(headers)).items()],
        }


@asynccontextmanager
async def router(folder: Path, route: bytes) -> AsyncGenerator[Router]:
    """Build the router on a folder's state, with one route and without limits on what may be used."""
    settings = Settings(
        state=folder,
        limits=_NO_LIMITS,
        largest_answer_bytes=LARGEST_KEPT_BYTES,
        requests_per_second_per_address=0,  # all come from one
    )
    operation = operate_folder(folder, settings)
    await init_keys(operation)
    await operation.control.put(ROUTES, parse_route(route).alias, route.decode())
    token = await mint(operation, tenant="bench", scopes=ISSUED_SCOPES, models=("*",), lifetime_s=3600)
    await operation.close()
    serving = serve(settings, io.StringIO())
    try:
        yield Router(create_app(serving), token)
    finally:
        await serving.close()
