"""Does the API answer anything that its document does not describe? Schemathesis makes up what to ask."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from embedge.ports import WireResponse
from embedge.upstreams import Upstreams
from tests.api.client import Caller
from tests.api.served import served
from tests.api.test_openapi import OF_HTTP, described, operation_of
from tests.e2e.tools import ROOT, SCHEMATHESIS, need
from tests.embed.world import DIMENSIONS, MODEL, NoSecrets

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from embedge.core.route import Target
    from embedge.ports import WireRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("schemathesis")]

OTHER_NAME = "BAAI/bge-m3"


class Embedding:
    """The Transport port: a server that embeds texts and token ids alike."""

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        del target
        vector = base64.b64encode(np.eye(1, DIMENSIONS, dtype="<f4").tobytes()).decode()
        inputs: list[object] = json.loads(request.body)["input"]
        data = [{"index": index, "embedding": vector} for index in range(len(inputs))]
        usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        return WireResponse(200, {}, json.dumps({"data": data, "usage": usage}).encode())


class Overheard:
    """ASGI middleware: notes the headers of every answer by method, path and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: dict[tuple[str, str, int], set[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                of_call = self.answers.setdefault((scope["method"], scope["path"], message["status"]), set())
                of_call.update(name.decode() for name, _ in message["headers"])
            await send(message)

        await self._app(scope, receive, noting)


def caller() -> Caller:
    """Return the API with one model that takes whatever the document allows."""
    made = Caller(upstreams=Upstreams({"https": Embedding()}, NoSecrets(), lambda: 0.0, print))
    document = json.loads(made.world.control.documents["ROUTES", MODEL])
    changed = {**document, "token_inputs": "native", "names": [OTHER_NAME]}
    made.world.control.documents["ROUTES", MODEL] = json.dumps(changed)
    return made


async def narrowed() -> dict[str, Any]:
    """Return the document for this one model, with no room for fields that it does not name."""
    document = await described()
    fields = document["components"]["schemas"]["CreateEmbeddingRequest"]["properties"]
    fields["model"] = {"enum": [MODEL, OTHER_NAME]}
    fields["dimensions"]["maximum"] = DIMENSIONS
    _close(document["components"]["schemas"])
    # Whether a first day makes sense depends on the last one, which OpenAPI cannot say: test_usage holds it.
    usage = document["paths"]["/v1/usage"]["get"]
    usage["parameters"] = [one for one in usage["parameters"] if one["name"] != "start"]
    return document


def _close(schemas: dict[str, Any]) -> None:
    for schema in schemas.values():
        if isinstance(schema, dict):
            below = cast("dict[str, Any]", schema)
            _close(below)
            if below.get("type") == "object":
                below["additionalProperties"] = False


def ask(url: str, document: Path, *options: str) -> str:
    """Let schemathesis ask; return what it says. Raises: AssertionError where it has found something."""
    bounded = (
        "--seed=1",
        "--max-examples=60",
        "--continue-on-failure",
        "--output-sanitize=false",
        "--generation-database=none",
    )
    command = [SCHEMATHESIS, "run", document, "--url", url, *bounded, *options]
    environment = {
        "PATH": os.defpath,
        "HOME": str(document.parent),
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.tools.schemathesis_hooks",
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=document.parent, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("who", ["a known caller", "a wrong token", "nobody"])
async def test_no_answer_is_other_than_the_document_says(tmp_path: Path, who: str) -> None:
    need("conformance", "schemathesis")
    made, document = caller(), await narrowed()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    token = {"a known caller": made.token(), "a wrong token": made.token(issuer="x"), "nobody": None}[who]
    credential = () if token is None else ("--header", f"Authorization: Bearer {token}")
    phases = () if who == "a known caller" else ("--phases=coverage",)
    overheard = Overheard(made.app)
    with served(overheard) as url:
        ask(url, tmp_path / "openapi.json", *credential, *phases)
    statuses = {status for _, _, status in overheard.answers}
    assert statuses >= ({200, 400, 401, 404, 405, 415} if who == "a known caller" else {200, 401, 405})
    for (method, path, status), headers in overheard.answers.items():
        operation = operation_of(document, method, path)
        if operation is not None:
            assert headers - OF_HTTP <= operation["responses"][str(status)]["headers"].keys(), (method, path, status)
