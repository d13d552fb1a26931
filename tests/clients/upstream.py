"""What does a provider do that speaks OpenAI's protocol? One on this machine, whose models' names say how it behaves.

Every vector has 1536 numbers and is decided by its input alone. The model `status-503` answers that status, `nonsense`
what is no answer, and `recovers` answers 503 to each input three times before it embeds it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

import numpy as np

from tests.adapters.http_stub import Heard, HttpStub, Reply, answer, http_stub, json_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

DIMENSIONS = 1536
_TIMES_DOWN = 3


class Body(TypedDict):
    """The body of a request for embeddings."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: NotRequired[str]


@dataclass(slots=True)
class Upstream:
    """Where the provider is, and what it has heard."""

    stub: HttpStub

    @property
    def url(self) -> str:
        return f"{self.stub.url}/v1"

    def bodies(self) -> list[Body]:
        """The bodies of the requests for embeddings so far."""
        return [json.loads(heard.body) for heard in self.stub.heard if heard.line.startswith("POST /v1/embeddings")]


@contextmanager
def upstream() -> Generator[Upstream]:
    """A provider that lives in a thread of its own, since those who ask it block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stub = http_stub(_Behaviour().act)
    try:
        yield Upstream(asyncio.run_coroutine_threadsafe(stub.__aenter__(), loop).result(10))
    finally:
        asyncio.run_coroutine_threadsafe(stub.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def vector(item: str | list[int]) -> NDArray[np.float32]:
    """The vector of a text or of token ids: a direction like any other, but always the same."""
    seed = hashlib.sha256(json.dumps(item).encode()).digest()
    numbers = np.random.Generator(np.random.PCG64(list(seed))).standard_normal(DIMENSIONS)
    return (numbers / np.linalg.norm(numbers)).astype("<f4")


class _Behaviour:
    def __init__(self) -> None:
        self._times_asked = Counter[str]()

    async def act(self, reply: Reply, heard: Heard) -> None:
        await reply.send(self._answer(json.loads(heard.body)))

    def _answer(self, asked: Body) -> bytes:
        model = asked["model"]
        if model == "nonsense":
            return answer(b"<html>what a fine day</html>")
        if model.startswith("status-"):
            return _refusal(int(model.removeprefix("status-")))
        if model == "recovers":
            what = json.dumps(asked["input"])
            self._times_asked[what] += 1
            if self._times_asked[what] <= _TIMES_DOWN:
                return _refusal(503)
        return _vectors(asked)


def _vectors(asked: Body) -> bytes:
    inputs = _inputs(asked["input"])
    tokens = sum(len(item) for item in inputs)
    data = [_row(index, vector(item), asked.get("encoding_format")) for index, item in enumerate(inputs)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer({"object": "list", "model": asked["model"], "data": data, "usage": usage})


def _inputs(given: str | list[str] | list[int] | list[list[int]]) -> list[str | list[int]]:
    if isinstance(given, str):
        return [given]
    several = [item for item in given if not isinstance(item, int)]
    return several or [cast("list[int]", given)]


def _row(index: int, numbers: NDArray[np.float32], encoding: str | None) -> dict[str, object]:
    embedding = base64.b64encode(numbers.tobytes()).decode() if encoding == "base64" else numbers.tolist()
    return {"object": "embedding", "index": index, "embedding": embedding}


def _refusal(status: int) -> bytes:
    error = {"message": "The provider says no.", "type": "some_error", "param": None, "code": None}
    return json_answer({"error": error}, status)
