"""Which router do the peers' tests ask? One on a laptop's state, whose SageMaker is at an address of their choice.

`python -m tests.peers.serving STATE SAGEMAKER_URL` prints where to ask. It ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from embedge.api.app import create_app
from embedge.bootstrap.serving import serve
from embedge.settings import SageMakerStandIn, Settings
from infra.local.listening import listen


async def main(state: Path, stand_in: SageMakerStandIn) -> None:
    """Serve until the standard input ends."""
    settings = Settings(state=state, longest_request_s=30.0).with_sagemaker(stand_in)
    with (state / "embedge.log").open("a") as stream, listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(
            uvicorn.Config(create_app(serve(settings, stream)), http="h11", ws="none", log_level="error")
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)  # noqa: T201 (whoever started it reads it)
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), SageMakerStandIn(sys.argv[2])))
