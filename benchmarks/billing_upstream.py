"""What bills in `benchmarks.overspend`? OpenAI's wire format, failures at random, and a count of what was billed."""

import asyncio
import contextlib
import json
import random
import socket
from base64 import b64encode

import numpy as np

DIMENSIONS = 8
PRICE_USD_PER_MILLION_TOKENS = 100
NANO_USD_PER_TOKEN = 100_000
_VECTOR = b64encode((np.ones(DIMENSIONS, np.float32) / DIMENSIONS**0.5).tobytes()).decode()


def route(port: int) -> bytes:
    """Return the route whose only target is the upstream on this port; nothing is kept, so every request is paid."""
    target = {
        "id": "billing",
        "provider": "openai",
        "transport": "https",
        "endpoint": f"http://127.0.0.1:{port}",
        "private": True,
        "price_usd_per_million_tokens": str(PRICE_USD_PER_MILLION_TOKENS),
    }
    document = {
        "alias": "bench",
        "space": {"model": "bench", "revision": "1", "dimensions": DIMENSIONS},
        "max_input_tokens": 8192,
        "tokenizer": {"family": "byte_bpe"},
        "admit": "never",
        "targets": [target],
    }
    return json.dumps(document).encode()


def serve(listener: socket.socket, failing: float) -> None:
    """Serve until killed. Of all calls this part fails: refused, broken, billed and cut off, or late."""
    asyncio.run(_serve(listener, failing))


async def _serve(listener: socket.socket, failing: float) -> None:
    upstream = _Upstream(failing)
    server = await asyncio.start_server(upstream.converse, sock=listener)
    async with server:
        await server.serve_forever()


class _Upstream:
    def __init__(self, failing: float) -> None:
        self.billed_tokens = 0
        self._failing = failing
        self._random = random.Random(1)  # noqa: S311 (no secret)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await _head(reader):
                body = await reader.readexactly(_length(head))
                answer = _ok({"billed": self.billed_tokens}) if head.startswith(b"GET") else await self._embed(body)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.transport.abort()

    async def _embed(self, body: bytes) -> bytes | None:
        """Bill, but for two kinds of failure; None is an answer that never arrives."""
        texts = json.loads(body)["input"]
        fate = int(self._random.random() / self._failing * 4) if self._failing else 9
        if fate < 2:
            return _answer(429 if fate else 500, {"error": {"message": "no", "type": "x", "param": None, "code": None}})
        tokens = sum(
            -(-len(text) // 2) for text in texts
        )  # half of what the router must hold for a text it cannot count
        self.billed_tokens += tokens
        if fate == 2:
            return None
        if fate == 3:
            await asyncio.sleep(0.3)
        data = [{"object": "embedding", "index": index, "embedding": _VECTOR} for index in range(len(texts))]
        return _ok({"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    lines = (line.split(b":", 1) for line in head.lower().split(b"\r\n") if b":" in line)
    return int(dict(lines).get(b"content-length", b"0"))


def _ok(document: object) -> bytes:
    return _answer(200, document)


def _answer(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )
