"""What does a layer of the model do to its tokens? All of them, of several texts, in one matrix and in place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from infra.local.model_files import DIMENSIONS

Floats = NDArray[np.float32]

_HEADS = 12
_HEAD_WIDTH = 32
_EPSILON = np.float32(1e-12)
_GELU_ROWS = 32  # what fits the second-level cache


class Workspace:
    """What all layers write into: fresh memory in every layer would be page faults in every layer."""

    def __init__(self, tokens: int) -> None:
        wide = np.empty(tokens * 4 * DIMENSIONS, np.float32)
        self.inner = wide.reshape(tokens, 4 * DIMENSIONS)
        self.qkv = wide[: tokens * 3 * DIMENSIONS].reshape(tokens, 3 * DIMENSIONS)
        self.context = np.empty((tokens, DIMENSIONS), np.float32)
        self.delta = np.empty((tokens, DIMENSIONS), np.float32)


@dataclass(frozen=True, slots=True)
class Norm:
    """What makes each token's numbers even."""

    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, weights: dict[str, Floats], name: str) -> Self:
        """The one of this name."""
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
class Layer:
    """Attention, and what each token makes of it by itself."""

    qkv: _Linear
    attended: _Linear
    attended_norm: Norm
    inner: _Linear
    outer: _Linear
    outer_norm: Norm

    @classmethod
    def of(cls, weights: dict[str, Floats], name: str) -> Self:
        """The one of this name."""
        query, key, value = (_Linear.of(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        scale = np.float32(1 / math.sqrt(_HEAD_WIDTH))  # of the scores, paid once here
        return cls(
            qkv=_Linear(
                np.hstack([query.weight * scale, key.weight, value.weight]),
                np.hstack([query.bias * scale, key.bias, value.bias]),
            ),
            attended=_Linear.of(weights, f"{name}.attention.output.dense"),
            attended_norm=Norm.of(weights, f"{name}.attention.output"),
            inner=_Linear.of(weights, f"{name}.intermediate.dense"),
            outer=_Linear.of(weights, f"{name}.output.dense"),
            outer_norm=Norm.of(weights, f"{name}.output"),
        )

    def apply(self, x: Floats, runs: list[tuple[int, int]], space: Workspace) -> None:
        """One transformer block, in place."""
        _attend(self.qkv.into(space.qkv, x), runs, space.context)
        x += self.attended.into(space.delta, space.context)
        self.attended_norm.apply(x)
        np.matmul(x, self.inner.weight, out=space.inner)
        gelu(space.inner, self.inner.bias)
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


def gelu(x: Floats, bias: Floats) -> None:
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
