"""What do tests of decisions decide about? One route, changed field by field, and requests to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedge.core.request import EmbeddingRequest, Input, Limits, Principal
from embedge.core.route_document import parse_route

if TYPE_CHECKING:
    from embedge.core.route import Route

LIMITS = Limits(1, 1, 1, 1, 1)


def document(**changes: Any) -> dict[str, Any]:
    """Return a route as an operator writes it, with these fields changed."""
    return {
        "alias": "small",
        "space": {"model": "vendor/small-v1", "revision": "1", "dimensions": 8},
        "max_input_tokens": 8192,
        "tokenizer": {"family": "byte_bpe"},
        "reducible": True,
        "token_inputs": "native",
        "targets": [target()],
        **changes,
    }


def target(**changes: Any) -> dict[str, Any]:
    """Return a target as an operator writes it, with these fields changed."""
    return {
        "id": "one",
        "provider": "openai",
        "transport": "https",
        "endpoint": "https://provider.test/v1",
        "price_usd_per_million_tokens": "0.02",
        **changes,
    }


def route(**changes: Any) -> Route:
    """Return the route of that document."""
    return parse_route(json.dumps(document(**changes)))


def request(*inputs: Input, **fields: Any) -> EmbeddingRequest:
    """Return a request for these inputs."""
    return EmbeddingRequest("small", inputs, **fields)


def principal(*models: str, scopes: frozenset[Any] = frozenset({"embeddings"})) -> Principal:
    """Return a caller who may name what these patterns match."""
    return Principal("acme", scopes, models, LIMITS)
