"""What runs on this machine, and what is made for it? Keys, routes and a token where they are missing, then servers.

The router runs in this process, beside it what gives out answers that are too large to be sent, and the model in a
child that speaks SageMaker's protocol and dies with its parent. State is committed before it is answered for, so a
process that was killed has lost nothing.
"""

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
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
from infra.local.listening import Address
from infra.local.model_files import weights
from infra.local.model_process import Model
from infra.local.reached import NamedAsReached
from infra.local.routes import embedded_model, openai_models
from infra.local.serving import Server, configuration

_LONGEST_REQUEST_S = 120.0
_TOKEN_S = 30 * 86_400
_LARGEST_LOG_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where to serve, the sockets that listen there for the router and for large answers, and where the state is."""

    address: Address
    listener: socket.socket
    answers_listener: socket.socket
    folder: Path


def run(place: Place, model: Model, started: Callable[[], None]) -> None:
    """Serve until interrupted; `started` is called once that begins."""
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_run(place, model, started))
    except SettingsError as error:
        raise SystemExit(f"embedge: {error}") from error
    except (EmbedgeError, OSError, sqlite3.Error) as error:
        raise SystemExit(f"embedge: what {place.folder}/ holds cannot be used: {error}") from error


async def _run(place: Place, model: Model, started: Callable[[], None]) -> None:
    address, folder = place.address, place.folder
    openai = os.environ.get("OPENAI_API_KEY")
    async with AsyncExitStack() as stack:
        # The first request needs it: read while the model loads, so that nobody waits for 0.3 s of imports.
        import_module("aiobotocore.session")
        settings = Settings(
            state=folder,
            answers=await stack.enter_async_context(kept_answers(folder, place.answers_listener, address.named())),
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
        banner = _banner(address, token, folder, offer_openai=bool(openai))

        def ready() -> None:
            print(banner, flush=True)  # noqa: T201 (what `make run` is for)
            started()

        server = Server(configuration(NamedAsReached(app) if address.is_everywhere() else app), ready)
        keeping = asyncio.create_task(model.keep())
        await server.serve(sockets=[place.listener])
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
