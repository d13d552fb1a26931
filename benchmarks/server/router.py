"""Which router is put under load? The one of `make run`, in front of the stub, with limits that nobody reaches.

`python -m benchmarks.server.router FOLDER PORT CACHE`, with the stub's port and how many bytes the cache in memory may
have, prints `{"port": …, "token": …}`, and ends when its standard input closes.
"""

from infra.local.starting import started  # isort: skip (before what it speeds up)

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.server.wire import DIMENSIONS, SLOW
from benchmarks.stub_upstream import route
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
from infra.local.listening import listen
from infra.local.serving import Server, configuration

# Limits there are, so that each request passes the code that holds them.
_LIMITS = Limits(10**8, 10**12, 10**17, 10**17, NO_LIMIT)


async def _run(folder: Path, upstream: int, memory_cache_bytes: int) -> None:
    settings = Settings(
        state=folder,
        limits=_LIMITS,
        memory_cache_bytes=memory_cache_bytes,
        largest_answer_bytes=LARGEST_KEPT_BYTES,  # so that 2,048 inputs are one answer, which `make run` would keep
    )
    operation = operate_folder(folder, settings)
    await init_keys(operation)
    for document in (route(upstream, DIMENSIONS), _slow(upstream)):
        await operation.control.put(ROUTES, parse_route(document).alias, document.decode())
    token = await mint(operation, tenant="bench", scopes=ISSUED_SCOPES, models=("*",), lifetime_s=86_400)
    await operation.close()
    listener = listen("127.0.0.1", 0)
    with (folder / "log").open("w") as log:
        told = json.dumps({"port": listener.getsockname()[1], "token": token})

        def ready() -> None:
            print(told, flush=True)
            started()

        server = Server(configuration(create_app(serve(settings, log))), ready)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.to_thread(sys.stdin.buffer.read)
        server.should_exit = True
        await serving


def _slow(upstream: int) -> bytes:
    """Return a route to what the stub answers late, to which as many calls may be under way as there are requests."""
    document = json.loads(route(upstream, DIMENSIONS))
    document["alias"] = document["space"]["model"] = SLOW
    document["targets"][0] |= {"endpoint": f"http://127.0.0.1:{upstream}/{SLOW}", "limits": {"concurrency": 64}}
    return json.dumps(document).encode()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
