"""How is the API reached as real clients reach it? Through uvicorn's sockets, or as API Gateway's events."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from mangum import Mangum

from infra.local.listening import listen

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from starlette.routing import Router
    from starlette.types import ASGIApp


@contextmanager
def served(app: ASGIApp) -> Generator[str]:
    """Serve on a free port of this machine, from a thread with a loop of its own; yield the URL."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def through_lambda(app: Router, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the function's answer to each of these events, one after the other on one loop."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        function = Mangum(app, lifespan="off")
        return [function(dict(event), cast("Any", object())) for event in events]


def body_of(answer: Mapping[str, Any]) -> Any:
    """Return the JSON in a function's answer."""
    return json.loads(answer["body"])
