"""Is each tokenizer loaded once and when it is needed, does it hold up nobody, and what if it cannot be had?"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.tokenizers_local import LocalTokenizers
from embedge.adapters.tokenizers_tiktoken import shipped
from embedge.core.request import EmbeddingRequest, Input, Tokens
from embedge.core.route import Route, Tokenizer
from embedge.core.route_document import parse_route
from embedge.errors import InvalidValue, ServiceUnavailable
from infra.local.model_files import weights
from infra.local.routes import embedded_model
from tests.adapters.counting import in_order, wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = weights() / "tokenizer.json"
MINILM = parse_route(embedded_model(FILE))
OPENAI = replace(MINILM, tokenizer=Tokenizer("cl100k", None), max_input_tokens=8192, token_inputs="native")


class Loader:
    """Loads what counts one token for each text, and says how often it was asked; `panics` is what Rust does."""

    def __init__(self, *, fails: bool = False, panics: bool = False) -> None:
        self.loads = 0
        self.threads: set[threading.Thread] = set()
        self._fails = fails
        self._panics = panics

    def __call__(self) -> Loader:
        self.loads += 1
        self.threads.add(threading.current_thread())
        if self._fails:
            raise FileNotFoundError
        return self

    def count(self, text: str, maximum: int) -> int:
        del maximum
        self.threads.add(threading.current_thread())
        if self._panics:
            raise PanicError(text)
        return 1

    def spell(self, ids: Sequence[int]) -> bytes:
        return bytes(ids)


class PanicError(BaseException):
    """Like pyo3's PanicException."""


def request(*inputs: Input) -> EmbeddingRequest:
    return EmbeddingRequest("m", inputs)


@pytest.mark.parametrize("route", [MINILM, OPENAI])
async def test_texts_and_ids_are_counted_each_under_its_key(route: Route) -> None:
    mixed: list[Input | str] = [Tokens((1, 2, 3)), "the cat sits", Tokens((7,)), "cat", "the cat sits"]
    special = 2 if route is MINILM else 0
    counts = await LocalTokenizers(pytest.fail).count(route, wanted(mixed))
    assert in_order(counts) == [3, 3 + special, 1, 1 + special, 3 + special]


async def test_after_an_input_that_is_too_long_nothing_is_counted() -> None:
    counts = await LocalTokenizers(pytest.fail).count(
        replace(OPENAI, max_input_tokens=2), wanted(["a", "b c d", "e " * 9])
    )
    assert in_order(counts) == [1, 3, 18]  # the last is a bound: its bytes


async def test_nothing_to_count_is_counted_whatever_the_route() -> None:
    assert await LocalTokenizers(pytest.fail).count(replace(MINILM, tokenizer=None), []) == {}


@pytest.mark.parametrize("tokenizer", [None, Tokenizer("bert", None), Tokenizer("byte_bpe", None)])
async def test_a_route_that_names_no_file_counts_nothing_and_that_is_no_fault(tokenizer: Tokenizer | None) -> None:
    route = replace(MINILM, tokenizer=tokenizer)
    assert await LocalTokenizers(pytest.fail).count(route, wanted(["x"])) is None


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
        tokenizers = LocalTokenizers(faults.append)
        for _ in range(2):
            route = replace(MINILM, tokenizer=Tokenizer("bert", str(file)))
            assert await tokenizers.count(route, wanted(["x"])) is None
        assert faults == ["tokenizer_missing"] * 2


async def test_without_its_ranks_cl100k_counts_nothing_and_is_a_fault_each_time_and_is_not_tried_again() -> None:
    faults: list[str] = []
    loader = Loader(fails=True)
    tokenizers = LocalTokenizers(faults.append, loader)
    assert await tokenizers.count(OPENAI, wanted(["x"])) is None
    assert await tokenizers.count(OPENAI, wanted(["x"])) is None
    assert faults == ["tokenizer_missing"] * 2
    assert loader.loads == 1


async def test_many_who_need_it_at_once_load_it_once_in_a_thread_and_who_gives_up_stops_nobody() -> None:
    loader = Loader()
    tokenizers = LocalTokenizers(pytest.fail, loader)
    asking = [asyncio.create_task(tokenizers.count(OPENAI, wanted(["x"]))) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    counts = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(counts[0], asyncio.CancelledError)
    assert counts[1:] == [{bytes(32): 1}] * 19
    assert loader.loads == 1
    assert threading.main_thread() in loader.threads  # that counted these few bytes
    assert len(loader.threads) == 2


@pytest.mark.parametrize("size", [1, 100_000])
async def test_a_panic_of_the_library_counts_nothing_and_reaches_nobody(size: int) -> None:
    faults: list[str] = []
    tokenizers = LocalTokenizers(faults.append, Loader(panics=True))
    assert await tokenizers.count(OPENAI, wanted(["x" * size])) is None
    assert faults == ["tokenizer_failed"]


async def test_much_is_counted_in_a_thread_and_little_is_not() -> None:
    for size, threads in ((100, {threading.main_thread()}), (100_000, set[threading.Thread]())):
        loader = Loader()
        tokenizers = LocalTokenizers(pytest.fail, loader)
        await tokenizers.as_text(replace(OPENAI, token_inputs="cl100k"), request(Tokens((1,))))
        loader.threads.clear()
        await tokenizers.count(OPENAI, wanted(["x" * size]))
        assert loader.threads & {threading.main_thread()} == threads


@pytest.mark.parametrize("text", ["the cat sits on the mat and looks at the weather " * 8_000, "a" * 400_000])
@pytest.mark.parametrize("route", [OPENAI, replace(MINILM, max_input_tokens=10**9)])
async def test_the_loop_turns_while_much_is_counted(route: Route, text: str) -> None:
    tokenizers = LocalTokenizers(pytest.fail)
    await tokenizers.count(route, wanted(["load it"]))
    counting = asyncio.create_task(tokenizers.count(route, wanted([text])))
    turns = 0
    while not counting.done():
        await asyncio.sleep(0)
        turns += 1
    assert await counting
    assert turns > 100  # with the GIL held, it would not have turned before the end


def test_a_process_that_counts_nothing_loads_no_tokenizer() -> None:
    code = """
import asyncio, sys
from embedge.adapters.tokenizers_local import LocalTokenizers
from embedge.core.request import EmbeddingRequest
LocalTokenizers(print)
assert not {"tiktoken", "tokenizers"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_ids_are_decoded_where_the_route_says_so_and_nowhere_else() -> None:
    ids, text = Tokens((15339, 1917)), "hello world"
    tokenizers = LocalTokenizers(pytest.fail)
    assert await tokenizers.as_text(MINILM, request(ids, ids)) == request(text, text)
    for route in (OPENAI, replace(MINILM, token_inputs="refused")):
        assert await tokenizers.as_text(route, request(ids)) == request(ids)
    assert await LocalTokenizers(pytest.fail, Loader(fails=True)).as_text(MINILM, request(text)) == request(text)


async def test_much_is_decoded_as_little_is() -> None:
    tokenizers = LocalTokenizers(pytest.fail)
    decoded = await tokenizers.as_text(MINILM, request(Tokens((15339,) * 10_000), Tokens((1917,))))
    assert decoded == request("hello" * 10_000, " world")


@pytest.mark.parametrize("unknown", [100_256, 100_257, 2**32 - 1])
@pytest.mark.parametrize("more", [1, 10_000])
async def test_an_id_that_is_no_token_of_text_is_refused_by_its_input(unknown: int, more: int) -> None:
    with pytest.raises(InvalidValue) as refused:
        await LocalTokenizers(pytest.fail).as_text(MINILM, request(Tokens((1,) * more), Tokens((1, unknown))))
    assert refused.value.param == "input[1]"
    assert str(unknown) not in refused.value.message


async def test_without_its_ranks_ids_cannot_be_decoded_and_text_still_can_be_sent() -> None:
    faults: list[str] = []
    with pytest.raises(ServiceUnavailable, match="Send strings instead"):
        await LocalTokenizers(faults.append, Loader(fails=True)).as_text(MINILM, request(Tokens((1,))))
    assert faults == ["tokenizer_missing"]


def test_the_shipped_ranks_are_where_this_process_finds_them() -> None:
    assert shipped().count("hello world", 8192) == 2
