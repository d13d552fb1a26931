"""How are passages sent, and what does an answer say? openai-python against the router, one request after the other."""

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter
from typing import Literal, cast

import numpy as np
from openai import OpenAI

from benchmarks.figures import Answer, Pass, read_cache_header

Encoding = Literal["base64", "float"]
_BAR = 30


@dataclass(frozen=True, slots=True)
class Model:
    """What one wants to know of a model before embedding."""

    name: str
    max_input_tokens: int
    price_usd_per_million_tokens: Decimal


def look_up(client: OpenAI, name: str) -> Model:
    """Return what `GET /v1/models/{id}` says."""
    described = client.models.retrieve(name).to_dict()
    return Model(
        name=name,
        max_input_tokens=cast("int", described["max_input_tokens"]),
        price_usd_per_million_tokens=Decimal(str(described["price_usd_per_million_tokens"])),
    )


def ask(client: OpenAI, model: str, texts: Sequence[str], encoding: Encoding) -> Answer:
    """Embed texts in one request."""
    began_s = perf_counter()
    raw = client.embeddings.with_raw_response.create(model=model, input=list(texts), encoding_format=encoding)
    answer = raw.parse()
    elapsed_s = perf_counter() - began_s
    vectors = {item.index: _float32(item.embedding) for item in answer.data}
    hits, misses = read_cache_header(raw.headers["x-embedge-cache"])
    return Answer(
        vectors=tuple(vectors[index] for index in range(len(texts))),
        hits=hits,
        misses=misses,
        tokens=answer.usage.total_tokens,
        cost_usd=Decimal(raw.headers["x-embedge-cost-usd"]),
        elapsed_s=elapsed_s,
    )


def ask_all(client: OpenAI, model: str, batches: Sequence[Sequence[str]], encoding: Encoding, title: str) -> Pass:
    """Embed batch after batch, with a progress bar on a terminal."""
    return Pass(title, tuple(ask(client, model, batch, encoding) for batch in _shown(batches, title)))


def _float32(embedding: object) -> bytes:
    """Return a vector's bytes, from base64 or from numbers."""
    if isinstance(embedding, str):
        return base64.b64decode(embedding, validate=True)
    return np.asarray(embedding, "<f4").tobytes()


def _shown(batches: Sequence[Sequence[str]], title: str) -> Iterator[Sequence[str]]:
    """Yield the batches, and draw how far one has come."""
    for done, batch in enumerate([*batches, None]):
        if sys.stderr.isatty():
            bar = "█" * (_BAR * done // len(batches))
            end = "\r" if batch else "\n"
            print(f"{title:22} {bar:░<{_BAR}} {done}/{len(batches)} requests", end=end, file=sys.stderr, flush=True)
        if batch:
            yield batch
