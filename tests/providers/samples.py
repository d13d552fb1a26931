"""What do real servers send and want? The golden samples, each with its source, and what they are read by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedge.core.request import Input, Tokens
from embedge.core.route import CallLimits, Space, Target
from embedge.ports import WireResponse
from embedge.upstreams import PROVIDERS

if TYPE_CHECKING:
    from embedge.core.route import ProviderName

FOLDER = Path(__file__).with_name("samples")
SPACE = Space("model", "1", 3, normalised=True)
TARGET = Target("one", "openai", "https", "https://provider.test/v1", "m", None, 1, CallLimits(9, 9, 9, 9), 0, 1.0, 1.0)
NAMES: tuple[ProviderName, ...] = tuple(PROVIDERS)


def samples(kind: str) -> list[tuple[ProviderName, dict[str, Any]]]:
    """Return the samples of a kind (`requests`, `answers`, `refusals`) for every wire format."""
    return [
        (name, sample)
        for name in NAMES
        for sample in json.loads((FOLDER / f"{name}_{kind}.json").read_text(encoding="utf-8"))
    ]


def space_of(sample: dict[str, Any]) -> Space:
    """Return the space of a request: the one of all samples, with what this one changes."""
    return replace(SPACE, **sample.get("space", {}))


def target_of(name: ProviderName, sample: dict[str, Any]) -> Target:
    """Return the target of a request: the one of all samples, with what this one changes."""
    changes = {field: sample[field] for field in ("model", "transport", "key_header") if field in sample}
    return replace(TARGET, provider=name, **changes)


def inputs_of(sample: dict[str, Any]) -> list[Input]:
    """Return the inputs of a request: a text, or token ids."""
    return [item if isinstance(item, str) else Tokens(tuple(item)) for item in sample["inputs"]]


def response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> WireResponse:
    """Return what a server sends: `body` as it is where it is bytes, else as JSON (Python's, which knows NaN)."""
    return WireResponse(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def response_of(sample: dict[str, Any]) -> WireResponse:
    """Return the response of a sample: a JSON body, or a page of text."""
    body = sample["text"].encode() if "text" in sample else sample["body"]
    return response(body, sample.get("status", 200), sample.get("headers"))
