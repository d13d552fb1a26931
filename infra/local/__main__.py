"""What does `make run` start? The router on this machine: no AWS, no key, a real model, its state in `.embedge/`.

The router runs in this process, beside it what gives out answers that are too large to be sent, and the model in a
child that speaks SageMaker's protocol and dies with its parent. State is committed before it is answered for, so a
process that was killed has lost nothing.
"""

import asyncio
import json
import os
import resource
import socket
import sqlite3
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TextIO

from embedge.api.app import create_app
from embedge.bootstrap.operating import LOG_FILE, SERVED_AT, Operation, operate_folder
from embedge.bootstrap.serving import serve
from embedge.cli.key_commands import init_keys
from embedge.cli.route_applying import carry_out, plan_routes
from embedge.cli.route_files import routes_in
from embedge.cli.running import STAND_IN
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.route_document import RouteDocument
from embedge.errors import EmbedgeError
from embedge.settings import (
    SageMakerStandIn,
    Settings,
    SettingsError,
    budget_spent_status,
    cache_key_secret,
    cors_origins,
    requests_per_second_per_address,
)
from embedge.verification import ROUTES
from infra.local.answers import kept_answers
from infra.local.listening import Address, listen
from infra.local.minilm import weights
from infra.local.reached import NamedAsReached
from infra.local.routes import embedded_model, openai_models
from infra.local.serving import Server, configuration

_LONGEST_REQUEST_S = 120.0
_TOKEN_S = 30 * 86_400
_LARGEST_LOG_BYTES = 20_000_000
_LONGEST_PAUSE_S = 10
_MOST_FILES = 65_536


async def run(address: Address, answers_port: int, folder: Path) -> None:
    """Serve until interrupted."""
    listener = _listen(address, "PORT=8788")
    answers_listener = _listen(Address(address.host, answers_port), "ANSWERS_PORT=8789")
    openai = os.environ.get("OPENAI_API_KEY")
    async with AsyncExitStack() as stack:
        model = _Model()
        stack.callback(model.stop)
        # The first request needs it: read while the model loads, so that nobody waits for 0.3 s of imports.
        import_module("aiobotocore.session")
        settings = Settings(
            state=folder,
            answers=await stack.enter_async_context(kept_answers(folder, answers_listener, address.named())),
            longest_request_s=_LONGEST_REQUEST_S,
            secrets=os.environ,
            cache_key_secret=cache_key_secret(os.environ),
            cors_origins=cors_origins(os.environ),
            requests_per_second_per_address=requests_per_second_per_address(os.environ),
            budget_spent_status=budget_spent_status(os.environ),
        )
        operation = operate_folder(folder, settings)
        token = await _prepare(operation, offer_openai=bool(openai))
        await operation.close()
        log = stack.enter_context(_log(folder / LOG_FILE))
        stand_in = SageMakerStandIn(f"http://127.0.0.1:{await model.ready()}")
        (folder / STAND_IN).write_text(stand_in.url, encoding="ascii")  # for `embedge routes verify`
        stack.callback((folder / STAND_IN).unlink, missing_ok=True)
        (folder / SERVED_AT).write_text(
            f"http://{address.named()}:{address.port}/v1", encoding="ascii"
        )  # for the doctor
        stack.callback((folder / SERVED_AT).unlink, missing_ok=True)
        app = create_app(serve(settings.with_sagemaker(stand_in), log))
        server = Server(configuration(NamedAsReached(app) if address.is_everywhere() else app))
        server.banner = _banner(address, token, folder, offer_openai=bool(openai))
        keeping = asyncio.create_task(model.keep())
        await server.serve(sockets=[listener])
        model.stop()
        keeping.cancel()


def _log(path: Path) -> TextIO:
    """Open the log, a new one where the old one has become large."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("a", encoding="utf-8")


async def _prepare(operation: Operation, *, offer_openai: bool) -> str:
    """Make keys and routes where they are missing, and return a token."""
    await init_keys(operation)
    documents = [embedded_model(weights() / "tokenizer.json"), *(openai_models() if offer_openai else ())]
    await carry_out(operation, await plan_routes(operation, _routes(documents)))
    if not offer_openai:
        await _withdraw(operation, _routes(openai_models()))
    return await mint(operation, tenant="default", scopes=ISSUED_SCOPES, models=("*",), lifetime_s=_TOKEN_S)


def _routes(documents: list[str]) -> dict[str, RouteDocument]:
    return routes_in({f"route {number}": text.encode() for number, text in enumerate(documents)})


async def _withdraw(operation: Operation, offered: dict[str, RouteDocument]) -> None:
    """Take away what an earlier start offered, and nothing that somebody has written since."""
    for alias, document in (await operation.control.query(ROUTES)).items():
        if alias in offered and document == offered[alias].noting(None):
            await operation.control.replace(ROUTES, alias, document, None)


def _listen(address: Address, another: str) -> socket.socket:
    """Take the port before anything else is started, so that a second `make run` ends with one clear line."""
    try:
        return listen(address.host, address.port)
    except OSError as error:
        raise SystemExit(
            f"embedge: {address.host}:{address.port} cannot be had ({error.strerror}). Another one: {another} make run"
        ) from error


class _Model:
    """The model's server: a child that is started again, on the same port, when it ends by itself."""

    def __init__(self) -> None:
        self.port = 0
        self._process = self._start()
        self._stopping = False

    async def ready(self) -> int:
        """Return the port once it serves."""
        self.port = await asyncio.to_thread(_port_of, self._process)
        return self.port

    async def keep(self) -> None:
        """Start it again whenever it ends, a little later each time."""
        for ended in count(1):
            await asyncio.to_thread(self._process.wait)
            if self._stopping:
                return
            _say(f"the model's server has ended (status {self._process.returncode}), and is started again")
            await asyncio.sleep(min(ended, _LONGEST_PAUSE_S))
            self._process = self._start()

    def stop(self) -> None:
        """End it: it goes when its standard input closes."""
        self._stopping = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "infra.local.sagemaker", "--port", str(self.port)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (our own module)


def _port_of(model: subprocess.Popen[bytes]) -> int:
    assert model.stdout is not None
    line = model.stdout.readline()
    if not line:
        raise SystemExit("embedge: the model's server did not start; what it says is above.")
    return json.loads(line)["port"]


def _say(what: str) -> None:
    print(f"embedge: {what}", file=sys.stderr, flush=True)  # noqa: T201 (to whoever watches the terminal)


def _banner(address: Address, token: str, folder: Path, *, offer_openai: bool) -> str:
    base = f"http://{address.named()}:{address.port}/v1"
    openai = "and, with your OPENAI_API_KEY, text-embedding-3-small and -large" if offer_openai else ""
    return f"""
Embedge is running, all on this machine. Models: all-MiniLM-L6-v2 (or local/minilm) {openai}

  Base URL  {base}
  Token     {token}

curl:

curl {base}/embeddings \\
  -H "Authorization: Bearer {token}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "local/minilm", "input": ["the same text", "is never", "paid for twice", "the same text"]}}'

Python (pip install openai):

from openai import OpenAI
client = OpenAI(base_url="{base}", api_key="{token}")
answer = client.embeddings.create(model="local/minilm", input=["hello", "world"])
print(len(answer.data), "vectors of", len(answer.data[0].embedding), "numbers,", answer.usage.total_tokens, "tokens")

State and keys are in {folder}/, the log is {folder / LOG_FILE}. `make token` prints a token. Ctrl-C stops everything.
"""


def main() -> None:
    """Read the environment and serve."""
    address = Address(os.environ.get("HOST") or "127.0.0.1", _port("PORT", 8787))
    answers_port = _port("ANSWERS_PORT", 0)
    folder = Path(os.environ.get("EMBEDGE_STATE") or ".embedge")
    os.umask(0o077)  # what is kept here is its owner's alone
    _allow_many_connections()
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(run(address, answers_port, folder))
    except SettingsError as error:
        raise SystemExit(f"embedge: {error}") from error
    except (EmbedgeError, OSError, sqlite3.Error) as error:
        raise SystemExit(f"embedge: what {folder}/ holds cannot be used: {error}") from error


def _port(name: str, default: int) -> int:
    port = os.environ.get(name) or str(default)
    if not port.isdecimal() or int(port) > 65_535 or (int(port) == 0 and default):  # noqa: PLR2004 (TCP's range)
        raise SystemExit(f"embedge: {name} must be a number from 1 to 65535.")
    return int(port)


def _allow_many_connections() -> None:
    """Each connection takes a file, and the usual limit is a few hundred."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    with suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main()
