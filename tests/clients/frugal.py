"""What does a client see that has used what it may use? The router on a laptop's state, and little of everything.

`python -m tests.clients.frugal STATE LOG REQUESTS_PER_MINUTE DAY_NANO_USD` prints where to ask. It ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from embedge.api.app import create_app
from embedge.bootstrap.serving import serve
from embedge.settings import DEFAULT_LIMITS, Settings
from infra.local.listening import listen

if TYPE_CHECKING:
    from embedge.core.request import Limits


async def main(state: Path, log: Path, limits: Limits) -> None:
    """Serve until the standard input ends."""
    with log.open("a") as stream, listen("127.0.0.1", 0) as listener:
        app = create_app(serve(Settings(state=state, limits=limits), stream))
        server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_level="error"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)  # noqa: T201 (whoever started it reads it)
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    state, log, requests_per_minute, day_nano_usd = sys.argv[1:]
    limits = replace(DEFAULT_LIMITS, requests_per_minute=int(requests_per_minute), day_nano_usd=int(day_nano_usd))
    asyncio.run(main(Path(state), Path(log), limits))
