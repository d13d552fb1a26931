"""Who embeds where a test needs vectors of a provider's size? An OpenAI-protocol server on a free port of this machine.

Its vectors are computed from the texts (or token ids), so that every position of an answer can be held to its input.
A route's alias may say how it behaves: `status-500` gets that status, `nonsense…` what is no answer, and what begins
with `recovers` is told 500 for each input three times before it is embedded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator

    from embedge.core.vector_codec import FloatVector

_PREFIX = "stub-"
_TIMES_DOWN = 3
_REFUSAL = b'{"error": {"message": "The provider says no.", "type": "some_error", "param": null, "code": null}}'


@dataclass(slots=True)
class Upstream:
    """Where it is, what its vectors have for dimensions, and the body of each call to it."""

    url: str
    dimensions: int
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def vector_of(self, content: object) -> FloatVector:
        """Return the one right vector of a text or of a list of token ids: of length one, float32."""
        seed = int.from_bytes(hashlib.sha256(json.dumps(content).encode()).digest()[:8], "little")
        vector = np.random.default_rng(seed).standard_normal(self.dimensions, np.float32)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def route(self, alias: str) -> str:
        """Return a route to it, as an operator writes one."""
        space = {"model": f"{_PREFIX}{alias}", "revision": "1", "dimensions": self.dimensions}
        target = {
            "id": "stub",
            "provider": "openai",
            "transport": "https",
            "endpoint": f"{self.url}/v1",
            "private": True,
            "price_usd_per_million_tokens": "0.02",
        }
        limits = {"max_input_tokens": 8192, "tokenizer": {"family": "byte_bpe"}, "token_inputs": "native"}
        return json.dumps(
            {"alias": alias, "space": space, "reducible": True, "targets": [target], "admit": "always", **limits}
        )


@contextmanager
def openai_upstream(dimensions: int = 1536) -> Generator[Upstream]:
    """Start one; it is gone afterwards."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each body waits 40 ms for the acknowledgement of its head

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            upstream.bodies.append(body)
            status, content = _behave(upstream, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream = Upstream(f"http://127.0.0.1:{server.server_port}", dimensions)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _behave(upstream: Upstream, body: dict[str, Any]) -> tuple[int, bytes]:
    behaviour = body["model"].removeprefix(_PREFIX)
    if behaviour.startswith("nonsense"):
        return 200, b"<html>what a fine day</html>"
    if behaviour.startswith("status-"):
        return int(behaviour.removeprefix("status-")), _REFUSAL
    times_asked = sum(earlier["input"] == body["input"] for earlier in upstream.bodies)
    if behaviour.startswith("recovers") and times_asked <= _TIMES_DOWN:
        return 500, _REFUSAL
    return 200, _answer(upstream, body)


def _answer(upstream: Upstream, body: dict[str, Any]) -> bytes:
    inputs: str | list[Any] = body["input"]
    contents: list[Any] = inputs if isinstance(inputs, list) and not isinstance(inputs[0], int) else [inputs]
    data = [
        {"object": "embedding", "index": index, "embedding": _written(upstream.vector_of(content), body)}
        for index, content in enumerate(contents)
    ]
    tokens = sum(max(1, len(content) // 4) for content in contents)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage}).encode()


def _written(vector: FloatVector, body: dict[str, Any]) -> str | list[float]:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
