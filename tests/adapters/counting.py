"""What do the tests of tokenizers count? Inputs, each under a key that is its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedge.core.wanted import WantedInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.request import Input


def wanted(inputs: Sequence[Input]) -> list[WantedInput]:
    """Return what a request for these inputs would want counted."""
    identities = [item.encode() if isinstance(item, str) else item.identity() for item in inputs]
    return [
        WantedInput(index, content, key(index), len(identity), len(identity))
        for index, (content, identity) in enumerate(zip(inputs, identities, strict=True))
    ]


def in_order(counts: Mapping[bytes, int] | None) -> list[int]:
    """Return the counts in the order of the inputs."""
    assert counts is not None
    return [counts[key(index)] for index in range(len(counts))]


def key(index: int) -> bytes:
    return index.to_bytes(32, "big")
