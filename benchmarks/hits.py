"""What does a hit take of the processor, through the whole handler, beside a naive one? `make bench-hits`.

Both stand behind Mangum, are given API Gateway's events, and have their vectors of 1536 numbers in SQLite. They
are asked in turn, in one process, so that only the ratio means anything.
"""

import argparse
import asyncio
import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import jwt
import numpy as np
from mangum import Mangum

from benchmarks.in_process import router
from benchmarks.naive.handler import SECRET, Vectors, create_naive_app
from benchmarks.stub_upstream import route, stub_upstream

_DIMENSIONS = 1536
_COUNTS = (1, 100, 700)

Event = Mapping[str, Any]
Asked = Callable[[bytes], Mapping[str, Any]]


def main() -> None:
    """Print the table."""
    rounds = _arguments().rounds
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory() as folder, stub_upstream() as port:
        stack = AsyncExitStack()
        try:
            ours, naive = loop.run_until_complete(both(stack, Path(folder), port))
            print(f"{'hits':>5} {'encoding':8} {'ours, ms':>10} {'naive, ms':>10} {'us a hit':>10} {'naive/ours':>11}")
            for count in _COUNTS:
                for encoding in ("base64", "float"):
                    _compare(ours, naive, body(count, encoding), rounds)
        finally:
            loop.run_until_complete(stack.aclose())
            loop.close()


def body(count: int, encoding: str) -> bytes:
    """Return a request of so many inputs."""
    texts = [f"a passage of some length, the one with the number {number}" for number in range(count)]
    return json.dumps({"model": "bench", "input": texts, "encoding_format": encoding}).encode()


def handler(app: Any, token: str) -> Asked:  # noqa: ANN401 (an ASGI application)
    """Return what answers a body as the function would answer its event."""
    adapter = Mangum(app, lifespan="off")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def answer(asked: bytes) -> Mapping[str, Any]:
        return adapter(dict(_event(headers, asked)), None)  # pyright: ignore[reportArgumentType] (no one reads it)

    return answer


async def both(stack: AsyncExitStack, folder: Path, port: int, most: int = max(_COUNTS)) -> tuple[Asked, Asked]:
    """Return both handlers, each with all vectors in its cache."""
    asked = await stack.enter_async_context(router(folder, route(port, _DIMENSIONS)))
    everything = body(most, "base64")
    filled = await asked.ask(everything)
    if filled.status != 200:
        raise SystemExit(f"hits: the cache could not be filled: {filled.status}")
    vectors = Vectors(folder / "naive.db")
    drawn = np.random.default_rng(1).standard_normal((most, _DIMENSIONS)).astype(np.float32)
    for text, vector in zip(json.loads(everything)["input"], drawn, strict=True):
        vectors.put("bench", text, vector / np.linalg.norm(vector), 12)
    token = jwt.encode({"sub": "bench"}, SECRET, "HS256")
    return handler(asked.app, asked.token), handler(create_naive_app(vectors), token)


def _compare(ours: Asked, naive: Asked, asked: bytes, rounds: int) -> None:
    inputs, encoding = len(json.loads(asked)["input"]), json.loads(asked)["encoding_format"]
    took: dict[str, list[float]] = {"ours": [], "naive": []}
    for _ in range(rounds + 1):
        for name, one in (("ours", ours), ("naive", naive)):
            began_s = process_time()
            answer = one(asked)
            took[name].append(process_time() - began_s)
            if answer["statusCode"] != 200 or vectors_in(answer) != inputs:
                raise SystemExit(f"hits: {name} answered {answer['statusCode']}")
    ours_s, naive_s = (median(seconds[1:]) for seconds in took.values())  # the first is for what is loaded late
    a_hit_us = 1e6 * ours_s / inputs
    print(
        f"{inputs:5} {encoding:8} {1e3 * ours_s:10.2f} {1e3 * naive_s:10.2f} {a_hit_us:10.1f} {naive_s / ours_s:11.1f}",
        flush=True,
    )


def vectors_in(answer: Mapping[str, Any]) -> int:
    """Return how many vectors an answer has."""
    text = answer["body"]
    return (base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()).count(b'"index"')


def _event(headers: Mapping[str, str], asked: bytes) -> Event:
    """Return what API Gateway sends for a REST API, as far as it is read.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    return {
        "resource": "/{proxy+}",
        "path": "/v1/embeddings",
        "httpMethod": "POST",
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"path": "/prod/v1/embeddings", "stage": "prod", "identity": {"sourceIp": "192.0.2.1"}},
        "body": base64.b64encode(asked).decode(),
        "isBase64Encoded": True,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of each request, besides a first one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
