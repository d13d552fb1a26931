"""How is the app served on this machine? By uvicorn, with what clients of OpenAI's API need of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from infra.local.listening import BACKLOG
from infra.local.plain_protocol import PlainProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.types import ASGIApp

_KEEP_ALIVE_S = 75


class Server(uvicorn.Server):
    """Uvicorn that says when it is ready; not before, because only then does Ctrl-C end it in order."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        """Take what to serve, and what says so."""
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()


def configuration(app: ASGIApp) -> uvicorn.Config:
    """Return how to serve the app."""
    # h11 and no httptools, which loses the body of a POST that offers `Upgrade: h2c`, as every Java HttpClient does;
    # and a keep-alive above the 5 s that openai-python keeps idle connections for.
    return uvicorn.Config(
        app,
        http=PlainProtocol,
        ws="none",
        log_level="error",  # its warnings advise packages that would break what this relies on
        backlog=BACKLOG,
        access_log=False,
        proxy_headers=False,  # or `X-Forwarded-For` would say where a request comes from
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=3,
    )
