"""What would a good developer write in a day? The same endpoint, with models in and out, and a cache in SQLite.

It verifies a token, looks all inputs up at once, keeps vectors as float32 bytes, and leaves the rest to FastAPI. It has
no misses here: it is only ever asked for what it has.
"""

import base64
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import jwt
import numpy as np
import numpy.typing as npt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

SECRET = "naive-and-secret-naive-and-secret"
_MOST_AT_ONCE = 500


class EmbeddingRequest(BaseModel):
    """What a client sends."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"


class Embedding(BaseModel):
    """One vector of an answer."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """What was used."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingResponse(BaseModel):
    """What a client gets."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class Vectors:
    """The cache: a vector and its tokens by the hash of model and text."""

    def __init__(self, file: Path) -> None:
        """Open the file."""
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.execute("CREATE TABLE IF NOT EXISTS cache (k BLOB PRIMARY KEY, v BLOB, tokens INTEGER)")

    def put(self, model: str, text: str, vector: npt.NDArray[np.float32], tokens: int) -> None:
        """Keep a vector."""
        row = (_key(model, text), vector.tobytes(), tokens)
        self._connection.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?)", row)
        self._connection.commit()

    def get(self, model: str, texts: list[str]) -> list[tuple[npt.NDArray[np.float32], int]]:
        """Return what is kept, in the order of the texts. Raises: KeyError."""
        keys = [_key(model, text) for text in texts]
        found: dict[bytes, tuple[npt.NDArray[np.float32], int]] = {}
        for start in range(0, len(keys), _MOST_AT_ONCE):
            some = keys[start : start + _MOST_AT_ONCE]
            places = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT k, v, tokens FROM cache WHERE k IN ({places})", some)  # noqa: S608 (question marks)
            found |= {key: (np.frombuffer(value, np.float32), tokens) for key, value, tokens in rows}
        return [found[key] for key in keys]


def create_naive_app(vectors: Vectors) -> FastAPI:
    """Return the application."""
    app = FastAPI()

    @app.post("/v1/embeddings", dependencies=[Depends(_verified)])
    async def embeddings(request: EmbeddingRequest) -> EmbeddingResponse:
        texts = [request.input] if isinstance(request.input, str) else request.input
        found = vectors.get(request.model, texts)
        form = _FORMS[request.encoding_format]
        total = sum(tokens for _, tokens in found)
        return EmbeddingResponse(
            data=[Embedding(index=index, embedding=form(vector)) for index, (vector, _) in enumerate(found)],
            model=request.model,
            usage=Usage(prompt_tokens=total, total_tokens=total),
        )

    del embeddings
    return app


def _verified(authorization: Annotated[str, Header()]) -> None:
    try:
        jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error


def _as_floats(vector: npt.NDArray[np.float32]) -> list[float] | str:
    return vector.tolist()


def _as_base64(vector: npt.NDArray[np.float32]) -> list[float] | str:
    return base64.b64encode(vector.tobytes()).decode()


_FORMS: dict[str, Callable[[npt.NDArray[np.float32]], list[float] | str]] = {
    "float": _as_floats,
    "base64": _as_base64,
}


def _key(model: str, text: str) -> bytes:
    return hashlib.sha256(f"{model}\0{text}".encode()).digest()
