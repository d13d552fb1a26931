"""Who gives out the answers that were too large to be sent? A server beside the router, as S3 is on AWS.

It is another origin for a client, and as strict as S3: a link opens one file for two minutes, and a request that brings
its token along is refused, so that a client that leaks it to where a redirect leads is seen to do so. Errors are S3's:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (read 2026-11).
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from typing_extensions import override

from embedge.core.signed_link import judge
from embedge.settings import AnswersFolder
from infra.local.listening import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from starlette.requests import Request

# S3 keeps them for one or two days. Here they go sooner, since a link is dead long before, and a disk is soon full.
_OLDEST_S = 600
_SWEEP_EVERY_S = 300
_LONGEST_END_S = 3
_HEADERS = {"cache-control": "private, no-store"}


@asynccontextmanager
async def kept_answers(folder: Path, listener: socket.socket, host: str) -> AsyncGenerator[AnswersFolder]:
    """Give out what is put into the folder's `answers/`, until left; `host` is how links name this machine."""
    key = os.urandom(32)  # links are good for two minutes, and for this process
    url = f"http://{host}:{listener.getsockname()[1]}"
    server = _Server(_config(store(folder, key)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    sweeping = asyncio.create_task(_sweep_for_ever(folder / "answers"))
    try:
        yield AnswersFolder(folder, url, key)
    finally:
        sweeping.cancel()
        server.should_exit = True
        await serving


def store(folder: Path, key: bytes) -> Starlette:
    """Return the application: what lies in the folder, for those whose links were signed with the key."""

    async def give(request: Request) -> Response:
        if "authorization" in request.headers:
            return _refusal(
                400, "InvalidArgument", "Only one auth mechanism allowed; leave the Authorization header out."
            )
        verdict = judge(request.url.path, request.query_params, key, time.time())
        if verdict == "forged":
            return _refusal(403, "SignatureDoesNotMatch", "The signature does not match the one that we calculated.")
        if verdict == "expired":
            return _refusal(403, "AccessDenied", "Request has expired")
        file = folder / request.url.path.lstrip("/")  # signed by us, so it leads nowhere else
        if not file.is_file():
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        return FileResponse(file, headers=_HEADERS, media_type="application/json")

    # Whoever has a link may read what it leads to, also a page in a browser: the link is the secret.
    pages = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"])
    return Starlette(routes=[Route("/{name:path}", give, methods=["GET"])], middleware=[pages])


def sweep(folder: Path, now_s: float) -> None:
    """Remove the files that are older than any link, and any download that is still going on."""
    for file in folder.glob("*/*"):
        with suppress(FileNotFoundError):
            if now_s - file.stat().st_mtime > _OLDEST_S:
                file.unlink()


async def _sweep_for_ever(folder: Path) -> None:
    while True:
        with suppress(OSError):  # the next time will do
            await asyncio.to_thread(sweep, folder, time.time())
        await asyncio.sleep(_SWEEP_EVERY_S)


def _refusal(status: int, code: str, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, _HEADERS, "application/xml")


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # its lines would hold links
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LONGEST_END_S,
    )


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to the router's: it ends when it is told to."""

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield
