"""How many tokens exactly? Counted by the model's own `tokenizer.json`, where the route names one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.core.admission import WantedInput
from embedge.core.request import Text, Tokens
from embedge.core.route import Route

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Below this many bytes, counting takes less time than handing it to a thread.
_WORTH_A_THREAD_BYTES = 4096


class HuggingFaceTokenizers:
    """The Tokenizers port. A tokenizer is loaded when it is first needed; one that cannot be had counts nothing."""

    def __init__(self, on_fault: Callable[[str], None]) -> None:
        """Take whom to tell of a tokenizer that cannot be had."""
        self._on_fault = on_fault

    async def count(self, route: Route, wanted: Sequence[WantedInput]) -> Mapping[bytes, int] | None:
        """Return the tokens of each input; None where the route names no tokenizer file, or it is not here."""
        if not wanted:
            return {}
        if route.tokenizer is None or route.tokenizer.file is None:
            return None
        tokenizer = _load(route.tokenizer.file)
        if tokenizer is None:
            self._on_fault("tokenizer_missing")
            return None
        if sum(item.size_bytes for item in wanted) < _WORTH_A_THREAD_BYTES:
            return _count(tokenizer, wanted)
        return await asyncio.to_thread(_count, tokenizer, wanted)


@cache
def _load(file: str) -> "Tokenizer | None":
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 (8 MB that a process without such a route never loads)

        tokenizer = Tokenizer.from_str(Path(file).read_text(encoding="utf-8"))
    except Exception:  # noqa: BLE001 (of a file that is no tokenizer, the library says so by a plain Exception)
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _count(tokenizer: "Tokenizer", wanted: Sequence[WantedInput]) -> Mapping[bytes, int]:
    texts = [item.content.content for item in wanted if isinstance(item.content, Text)]
    lengths = iter([len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)])
    return {item.key: len(item.content.ids) if isinstance(item.content, Tokens) else next(lengths) for item in wanted}
