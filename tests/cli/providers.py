"""What answers when a command asks a route's targets? A server of OpenAI's wire format whose space a test turns."""

from __future__ import annotations

import base64
import json
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from typing_extensions import override

from tests.core.samples import target

if TYPE_CHECKING:
    from collections.abc import Generator


class Provider(ThreadingHTTPServer):
    """A server: texts lie elsewhere with another `seed`; `sizes` are how many came in each call, `keys` with what."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seed = 0
        self.dimensions = 8
        self.length = 1.0
        self.status = 200
        self.sizes: list[int] = []
        self.keys: list[str | None] = []

    def target(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return this server as a target."""
        return target(id=name, endpoint=f"http://127.0.0.1:{self.server_port}/v1", private=True, **changes)

    def vector(self, text: str) -> str:
        drawn = np.random.default_rng([self.seed, zlib.crc32(text.encode())]).normal(size=self.dimensions)
        return base64.b64encode((self.length * drawn / np.linalg.norm(drawn)).astype("<f4").tobytes()).decode()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast("Provider", self.server)
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        server.sizes.append(len(texts))
        server.keys.append(self.headers["authorization"])
        data = [{"index": index, "embedding": server.vector(text)} for index, text in enumerate(texts)]
        body = json.dumps({"data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
        self.send_response(server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Generator[Provider]:
    server = Provider()
    serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield server
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
