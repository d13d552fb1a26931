"""What would a good developer deploy after a day? The naive endpoint on Lambda: global clients, a cache in DynamoDB.

FastAPI models in and out, stock aiobotocore, httpx and Mangum, Powertools' Logger and Metrics.
"""

import asyncio
import base64
import hashlib
import os
from typing import Annotated, Any

import httpx
import jwt
import numpy as np
import numpy.typing as npt
from aiobotocore.session import get_session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from fastapi import Depends, FastAPI, Header, HTTPException
from mangum import Mangum

from benchmarks.naive.handler import SECRET, Embedding, EmbeddingRequest, EmbeddingResponse, Usage

_TABLE = os.environ.get("NAIVE_TABLE", "")
_UPSTREAM = os.environ.get("NAIVE_UPSTREAM", "")
_MOST_AT_ONCE = 100  # what BatchGetItem takes

logger = Logger(service="naive")
metrics = Metrics(namespace="Naive", service="naive")
app = FastAPI()
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
session: Any = get_session()  # aiobotocore types its clients by literal names in a package of stubs
dynamodb: Any = loop.run_until_complete(session.create_client("dynamodb").__aenter__())
upstream = httpx.AsyncClient(timeout=20)


def _verified(authorization: Annotated[str, Header()]) -> None:
    try:
        jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error


@app.post("/v1/embeddings", dependencies=[Depends(_verified)])
async def embeddings(request: EmbeddingRequest) -> EmbeddingResponse:
    """Answer from the cache, and from upstream what is not in it."""
    texts = [request.input] if isinstance(request.input, str) else request.input
    keys = [key_of(request.model, text) for text in texts]
    found = await _look_up(keys)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
    if missing:
        fetched = await _fetch(request.model, list(missing.values()))
        found |= dict(zip(missing, fetched, strict=True))
        await _store({key: found[key] for key in missing})
    logger.info("embedded", inputs=len(texts), misses=len(missing))
    metrics.add_metric(name="Inputs", unit=MetricUnit.Count, value=len(texts))
    data = [
        Embedding(index=index, embedding=_written(found[key], request.encoding_format))
        for index, key in enumerate(keys)
    ]
    used = sum(len(text) // 4 for text in texts)
    return EmbeddingResponse(data=data, model=request.model, usage=Usage(prompt_tokens=used, total_tokens=used))


handler = metrics.log_metrics(Mangum(app, lifespan="off"))


def key_of(model: str, text: str) -> bytes:
    """Return where a vector is kept."""
    return hashlib.sha256(f"{model}\0{text}".encode()).digest()


async def _look_up(keys: list[bytes]) -> dict[bytes, npt.NDArray[np.float32]]:
    found: dict[bytes, npt.NDArray[np.float32]] = {}
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), _MOST_AT_ONCE):
        wanted = [{"k": {"B": key}} for key in distinct[start : start + _MOST_AT_ONCE]]
        while wanted:
            reply = await dynamodb.batch_get_item(RequestItems={_TABLE: {"Keys": wanted}})
            for item in reply["Responses"][_TABLE]:
                found[item["k"]["B"]] = np.frombuffer(item["v"]["B"], np.float32)
            wanted = reply["UnprocessedKeys"].get(_TABLE, {}).get("Keys", [])
    return found


async def _fetch(model: str, texts: list[str]) -> list[npt.NDArray[np.float32]]:
    body = {"model": model, "input": texts, "encoding_format": "base64"}
    answer = await upstream.post(f"{_UPSTREAM}/embeddings", json=body)
    answer.raise_for_status()
    rows = sorted(answer.json()["data"], key=lambda row: row["index"])
    return [np.frombuffer(base64.b64decode(row["embedding"]), np.float32) for row in rows]


async def _store(vectors: dict[bytes, npt.NDArray[np.float32]]) -> None:
    puts = [{"PutRequest": {"Item": {"k": {"B": key}, "v": {"B": v.tobytes()}}}} for key, v in vectors.items()]
    for start in range(0, len(puts), 25):
        await dynamodb.batch_write_item(RequestItems={_TABLE: puts[start : start + 25]})


def _written(vector: npt.NDArray[np.float32], encoding: str) -> list[float] | str:
    return base64.b64encode(vector.tobytes()).decode() if encoding == "base64" else vector.tolist()
