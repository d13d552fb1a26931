"""Do the four forms of input keep to their own vectors, also where a part of a request is cached already?"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from embedge.api.app import create_app
from embedge.ports import WireRequest, WireResponse
from embedge.upstreams import Upstreams
from tests.api.client import Caller
from tests.embed.world import MODEL, NoSecrets, vector_of

if TYPE_CHECKING:
    from embedge.core.route import Target

One = str | list[int]


class Server:
    """The Transport port: embeds text and token ids, each its own way, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[One] = []

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        del target
        inputs: list[One] = json.loads(request.body)["input"]
        self.asked += inputs
        data = [
            {"index": number, "embedding": base64.b64encode(right(one)).decode()} for number, one in enumerate(inputs)
        ]
        return WireResponse(200, {}, json.dumps({"data": data, "usage": {"prompt_tokens": len(inputs)}}).encode())


def right(one: One) -> bytes:
    """Return the one right vector of an input."""
    return vector_of(repr(one)).tobytes()


def caller_and_server() -> tuple[Caller, Server]:
    caller, server = Caller(), Server()
    documents = caller.world.control.documents
    documents["ROUTES", MODEL] = json.dumps(json.loads(documents["ROUTES", MODEL]) | {"token_inputs": "native"})
    upstreams = Upstreams({"https": server}, NoSecrets(), lambda: 0.0, print)
    caller.app = create_app(replace(caller.serving, services=replace(caller.serving.services, upstreams=upstreams)))
    return caller, server


def flat(value: object) -> list[One]:
    """Return the inputs that a value of `input` means."""
    if isinstance(value, list) and not isinstance(value[0], int):
        return cast("list[One]", value)
    return [cast("One", value)]


async def test_each_form_is_hit_by_its_like_and_by_nothing_else() -> None:
    caller, _ = caller_and_server()
    for value, header in (
        ("1", "hits=0; misses=1"),
        ([1], "hits=0; misses=1"),
        (["1", "2"], "hits=1; misses=1"),
        ([[1], [1, 2], [1]], "hits=2; misses=1"),
        ([1, 2], "hits=1; misses=0"),
        ("2", "hits=1; misses=0"),
        ([[1, 2], [49]], "hits=1; misses=1"),
        (["[1, 2]", "1"], "hits=1; misses=1"),
    ):
        answer = await caller.ask(value, encoding_format="base64")
        assert answer.headers["x-embedge-cache"] == header, value
        got = [base64.b64decode(row["embedding"]) for row in answer.json()["data"]]
        assert got == [right(one) for one in flat(value)]


@pytest.mark.parametrize("seed", range(5))
async def test_hits_misses_and_duplicates_in_any_mixture_keep_their_places(seed: int) -> None:
    caller, server = caller_and_server()
    chance = random.Random(seed)
    texts: list[One] = [str(number) for number in range(12)]
    tokens: list[One] = [[number, number % 3] for number in range(12)]
    for _ in range(12):
        value = chance.choices(chance.choice([texts, tokens]), k=chance.randint(1, 9))
        rows = (await caller.ask(value)).json()["data"]
        got = [np.array(row["embedding"], np.float32).tobytes() for row in rows]
        assert got == [right(one) for one in value]
    assert len(server.asked) == len(set(map(repr, server.asked))), "something was paid for twice"
