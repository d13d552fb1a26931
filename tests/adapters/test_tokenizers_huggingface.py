"""Are tokens counted as the model itself counts them, and does counting much hold up nobody else?"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters.tokenizers_huggingface import HuggingFaceTokenizers
from embedge.core.admission import WantedInput
from embedge.core.request import Input, Text, Tokens
from embedge.core.route import Route, Tokenizer
from embedge.core.route_document import parse_route
from infra.local.minilm import MiniLM, weights
from infra.local.routes import embedded_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = weights() / "tokenizer.json"
ROUTE = parse_route(embedded_model(FILE))


@cache
def model() -> MiniLM:
    """Hypothesis takes no fixture, so the model is kept here."""
    return MiniLM.load(weights())


def wanted(inputs: Sequence[Input]) -> list[WantedInput]:
    sizes = [len(content.identity()) for content in inputs]
    return [
        WantedInput(index, content, index.to_bytes(32, "big"), size, size)
        for index, (content, size) in enumerate(zip(inputs, sizes, strict=True))
    ]


def by_file(file: Path) -> Route:
    return replace(ROUTE, tokenizer=Tokenizer("bert", str(file)))


async def counted(texts: Sequence[str]) -> list[int]:
    faults: list[str] = []
    counts = await HuggingFaceTokenizers(faults.append).count(ROUTE, wanted([Text(text) for text in texts]))
    assert counts is not None
    assert faults == []
    return [counts[index.to_bytes(32, "big")] for index in range(len(texts))]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=20))
def test_a_count_is_the_models_own_with_its_special_tokens(texts: list[str]) -> None:
    assert asyncio.run(counted(texts)) == [model().tokens(text) for text in texts]


@pytest.mark.parametrize("words", [1, 100, 128, 254, 255, 3000])
async def test_a_long_text_is_counted_to_its_end(words: int) -> None:
    text = "cat " * words
    assert await counted([text, "cat", text]) == [words + 2, 3, words + 2]


async def test_token_ids_are_counted_by_being_counted() -> None:
    mixed: list[Input] = [Tokens((1, 2, 3)), Text("the cat sits"), Tokens((7,)), Text("")]
    counts = await HuggingFaceTokenizers(lambda _: None).count(ROUTE, wanted(mixed))
    assert counts == {index.to_bytes(32, "big"): tokens for index, tokens in enumerate([3, 5, 1, 2])}


async def test_nothing_to_count_is_counted_whatever_the_route() -> None:
    assert await HuggingFaceTokenizers(lambda _: None).count(replace(ROUTE, tokenizer=None), []) == {}


@pytest.mark.parametrize("tokenizer", [None, Tokenizer("bert", None)])
async def test_a_route_that_names_no_file_counts_nothing_and_that_is_no_fault(tokenizer: Tokenizer | None) -> None:
    faults: list[str] = []
    route = replace(ROUTE, tokenizer=tokenizer)
    assert await HuggingFaceTokenizers(faults.append).count(route, wanted([Text("x")])) is None
    assert faults == []


def _broken(folder: Path) -> list[Path]:
    contents = (
        b"",
        b"nonsense",
        b"{}",
        b"\xff\xfe",
        b"[1]",
        FILE.read_bytes()[:1000],
        json.dumps({"model": 1}).encode(),
    )
    files = [folder / f"{number}.json" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return [*files, folder / "missing.json", folder]


async def test_a_file_that_is_missing_or_broken_counts_nothing_and_is_a_fault_each_time(tmp_path: Path) -> None:
    for file in _broken(tmp_path):
        faults: list[str] = []
        tokenizers = HuggingFaceTokenizers(faults.append)
        for _ in range(2):
            assert await tokenizers.count(by_file(file), wanted([Text("x")])) is None
        assert faults == ["tokenizer_missing"] * 2


async def test_counting_much_lets_the_others_run() -> None:
    longest_s, stop = 0.0, asyncio.Event()
    await counted(["warm"])

    async def look_at_the_clock() -> None:
        nonlocal longest_s
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            before_s = loop.time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, loop.time() - before_s)

    looking = asyncio.create_task(look_at_the_clock())
    began_s = asyncio.get_running_loop().time()
    await counted(["the cat sits on the mat and looks at the weather " * 60] * 400)
    took_s = asyncio.get_running_loop().time() - began_s
    stop.set()
    await looking
    assert longest_s < took_s / 2


async def test_counting_little_starts_no_thread() -> None:
    before = threading.active_count()
    await counted(["a few words"])
    assert threading.active_count() == before
