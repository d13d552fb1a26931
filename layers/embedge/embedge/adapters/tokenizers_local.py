"""Which tokenizer counts for this route? Each is loaded when it is first needed, once, and works in a thread."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeVar

from embedge.adapters import tokenizers_huggingface, tokenizers_tiktoken
from embedge.core.request import EmbeddingRequest, Tokens
from embedge.core.route import Route, Tokenizer
from embedge.core.token_inputs import count_ids, decoded
from embedge.core.wanted import WantedInput
from embedge.errors import ServiceUnavailable

# Below this many bytes, counting takes less time than handing it to a thread.
_WORTH_A_THREAD_BYTES = 4096
# Threads of its own: other work, such as looking up hosts, does not wait behind texts, and the processors stay shared.
_THREADS = 2

_Result = TypeVar("_Result")


class Counter(Protocol):
    """One tokenizer."""

    def count(self, text: str, maximum: int) -> int:
        """Return the tokens of a text; of one of over 64 KB with more than `maximum`, `maximum + 1` will do."""
        ...


class Vocabulary(Counter, Protocol):
    """One whose ids can be spelled out."""

    def spell(self, ids: Sequence[int]) -> bytes:
        """Return the bytes that these ids stand for. Raises: KeyError where one is none of text's."""
        ...


class LocalTokenizers:
    """The Tokenizers port. A tokenizer that cannot be had counts nothing."""

    def __init__(
        self,
        on_fault: Callable[[str], None],
        cl100k: Callable[[], Vocabulary] = tokenizers_tiktoken.shipped,
    ) -> None:
        """Take whom to tell of a tokenizer that cannot be had, and what loads cl100k."""
        self._on_fault = on_fault
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tokenizer")
        self._cl100k = _Once(cl100k, self._threads)
        self._files: dict[Tokenizer, _Once[tokenizers_huggingface.FileTokenizer]] = {}

    async def count(self, route: Route, wanted: Sequence[WantedInput]) -> Mapping[bytes, int] | None:
        """Return the tokens of each input; None where the route names no tokenizer, or it is not here."""
        if not wanted:
            return {}
        if route.tokenizer is None or (route.tokenizer.family != "cl100k" and route.tokenizer.file is None):
            return None
        counter = await self._counter(route.tokenizer)
        if counter is None:
            self._on_fault("tokenizer_missing")
            return None
        work = partial(_count, counter, wanted, route.max_input_tokens)
        counts = await self._run(work, sum(item.size_bytes for item in wanted))
        if counts is None:
            self._on_fault("tokenizer_failed")
        return counts

    async def as_text(self, route: Route, request: EmbeddingRequest) -> EmbeddingRequest:
        """Return the request with its ids decoded by cl100k, where the route says so."""
        ids = count_ids(request) if route.token_inputs == "cl100k" else 0
        if not ids:
            return request
        vocabulary = await self._cl100k.get()
        if vocabulary is None:
            self._on_fault("tokenizer_missing")
            raise ServiceUnavailable(
                "Token ids cannot be decoded at the moment. Send strings instead "
                "(LangChain: check_embedding_ctx_length=False), or try again later.",
                retry_after_s=60,
            )
        return await self._run(partial(decoded, request, vocabulary.spell), ids)

    async def _counter(self, tokenizer: Tokenizer) -> Counter | None:
        if tokenizer.family == "cl100k":
            return await self._cl100k.get()
        if tokenizer not in self._files:
            self._files[tokenizer] = _Once(partial(tokenizers_huggingface.load, tokenizer), self._threads)
        return await self._files[tokenizer].get()

    async def _run(self, work: Callable[[], _Result], size: int) -> _Result:
        if size < _WORTH_A_THREAD_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


_Loaded = TypeVar("_Loaded")


class _Once(Generic[_Loaded]):
    """What is loaded when it is first asked for, however many ask: None where it cannot be, then and ever after."""

    def __init__(self, load: Callable[[], _Loaded], threads: ThreadPoolExecutor) -> None:
        self._load = load
        self._threads = threads
        self._loading: asyncio.Future[_Loaded | None] | None = None

    async def get(self) -> _Loaded | None:
        """Wait until it is there. Who stops waiting does not stop the others."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(self._threads, self._loaded)
        return await asyncio.shield(self._loading)

    def _loaded(self) -> _Loaded | None:
        try:
            return self._load()
        except Exception:  # noqa: BLE001 (a file that is missing or broken, or a package: each has errors of its own)
            return None


def _count(counter: Counter, wanted: Sequence[WantedInput], maximum: int) -> Mapping[bytes, int] | None:
    """Count one input after the other; None where the library fails, which must stay one request's fault.

    One that is too long is the request's end, so what comes after it is left at its bound.
    """
    counts = {item.key: item.token_bound for item in wanted}
    try:
        for item in wanted:
            counts[item.key] = _length(counter, item, maximum)
            if counts[item.key] > maximum:
                break
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 (a panic in Rust is no Exception: https://pyo3.rs/main/doc/pyo3/panic/)
        return None
    return counts


def _length(counter: Counter, item: WantedInput, maximum: int) -> int:
    if isinstance(item.content, Tokens):
        return len(item.content.ids)
    return counter.count(item.content, maximum)
