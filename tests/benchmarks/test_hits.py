"""Do both handlers that are compared answer the same request with as many vectors, from what they keep?"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.hits import body, both, vectors_in
from benchmarks.stub_upstream import stub_upstream

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_both_answer_with_every_vector(tmp_path: Path, encoding: str) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stack = AsyncExitStack()
    try:
        with stub_upstream() as port:
            handlers = loop.run_until_complete(both(stack, tmp_path, port, most=5))
            for answer in (one(body(5, encoding)) for one in handlers):
                assert (answer["statusCode"], vectors_in(answer)) == (200, 5)
                text = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
                first = json.loads(text)["data"][0]["embedding"]
                numbers = np.frombuffer(base64.b64decode(first), "<f4") if encoding == "base64" else first
                assert len(numbers) == 1536
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()
        asyncio.set_event_loop(None)
