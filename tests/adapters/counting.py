"""What do the tests of tokenizers count? Inputs, each under a key that is its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedge.core.admission import WantedInput
from embedge.core.request import Input, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def wanted(inputs: Sequence[Input | str]) -> list[WantedInput]:
    """Return what a request for these inputs would want counted."""
    contents = [Text(item) if isinstance(item, str) else item for item in inputs]
    sizes = [len(content.identity()) for content in contents]
    return [
        WantedInput(index, content, key(index), size, size)
        for index, (content, size) in enumerate(zip(contents, sizes, strict=True))
    ]


def in_order(counts: Mapping[bytes, int] | None) -> list[int]:
    """Return the counts in the order of the inputs."""
    assert counts is not None
    return [counts[key(index)] for index in range(len(counts))]


def key(index: int) -> bytes:
    return index.to_bytes(32, "big")
