"""By which name does a client reach this machine? By the one it has used, where the router listens on every address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(rb"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_HERE = b"http://127.0.0.1:"


class NamedAsReached:
    """ASGI middleware: a Location on this machine names the host of the request's own Host header.

    A client could lead only itself astray with that header, to a name to which it has just sent its token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
        used = _HOST.fullmatch(host)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start" and used is not None:
                message["headers"] = [
                    (name, _renamed(value, used[1]) if name == b"location" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, named)


def _renamed(url: bytes, host: bytes) -> bytes:
    return b"http://" + host + b":" + url.removeprefix(_HERE) if url.startswith(_HERE) else url
