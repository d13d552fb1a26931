"""What stands behind the router while it is measured? OpenAI's wire format, a vector for each input, and no model."""

import base64
import json
import struct
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from typing_extensions import override


def route(port: int, dimensions: int) -> bytes:
    """Return a route to this stub, of vectors of this size."""
    target = {
        "id": "stub",
        "provider": "openai",
        "transport": "https",
        "endpoint": f"http://127.0.0.1:{port}/{dimensions}",
        "private": True,
        "price_usd_per_million_tokens": "0.02",
    }
    document = {
        "alias": "bench",
        "space": {"model": "bench", "revision": "1", "dimensions": dimensions},
        "max_input_tokens": 8192,
        "tokenizer": {"family": "byte_bpe"},
        "token_inputs": "native",
        "targets": [target],
    }
    return json.dumps(document).encode()


@contextmanager
def stub_upstream() -> Generator[int]:
    """Serve on a free port of this machine, and give the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers `POST /{dimensions}/embeddings`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        inputs = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        dimensions = int(self.path.split("/")[1])
        vectors = (_vector(number, dimensions) for number in range(len(inputs)))
        data = [{"index": number, "embedding": vector} for number, vector in enumerate(vectors)]
        answer = json.dumps({"data": data, "usage": {"prompt_tokens": len(inputs)}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the table is all that is to be seen."""


def _vector(number: int, dimensions: int) -> str:
    """Return a vector of length one, another for each number; its floats have as many digits as most."""
    turned = [(-1) ** ((number >> bit) & 1) for bit in range(16)]
    one = dimensions**-0.5
    return base64.b64encode(
        struct.pack(f"<{dimensions}f", *(one * turned[at % 16] for at in range(dimensions)))
    ).decode()
