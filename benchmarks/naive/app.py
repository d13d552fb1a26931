"""What would a good developer write in a day? The same endpoint for Lambda, with FastAPI's models in and out.

Clients are made once, at init, and live as long as the process. A token is verified, and each tenant has a limit a
minute. Vectors are kept in DynamoDB as float32 bytes and looked up 100 at a time, side by side; what is missing is
asked of OpenAI with httpx, and stored. What is too large for Lambda goes to S3, as a redirect. What it has not:
budgets, limits that hold over several processes, usage, metrics, checksums, retries that spare a failing provider.
"""

import asyncio
import base64
import hashlib
import json
import os
import time
import uuid
from collections import Counter
from typing import Annotated, Any, Literal

import httpx
import jwt
import numpy as np
from aiobotocore.session import get_session
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.responses import RedirectResponse
from mangum import Mangum
from pydantic import BaseModel

SECRET = os.environ["NAIVE_SECRET"]
TABLE = os.environ["NAIVE_TABLE"]
BUCKET = os.environ["NAIVE_BUCKET"]
OPENAI_URL = os.environ["NAIVE_OPENAI_URL"]
TTL_S = 30 * 86_400
LARGEST_BYTES = 5_900_000


class EmbeddingRequest(BaseModel):
    """What a client sends."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


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


Vector = np.ndarray[Any, np.dtype[np.float32]]
Kept = tuple[Vector, int]

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
session: Any = get_session()
dynamodb = loop.run_until_complete(session.create_client("dynamodb").__aenter__())
openai = httpx.AsyncClient(timeout=30)
s3_clients: list[Any] = []
seen: Counter[tuple[str, int]] = Counter()
app = FastAPI()


def verified(authorization: Annotated[str, Header()]) -> str:
    """Return the tenant that a token proves, who has not asked too often."""
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid token") from error
    minute = claims["sub"], int(time.time()) // 60
    seen[minute] += 1
    if seen[minute] > claims["requests_per_minute"]:
        raise HTTPException(429, "Too many requests", {"Retry-After": "60"})
    return claims["sub"]


@app.post("/v1/embeddings")
async def embeddings(request: EmbeddingRequest, tenant: Annotated[str, Depends(verified)]) -> EmbeddingResponse:
    """Answer from the cache, and for the rest from OpenAI."""
    began_s = time.perf_counter()
    texts = [request.input] if isinstance(request.input, str) else request.input
    keys = [key_of(tenant, request.model, text) for text in texts]
    found = await look_up(list(dict.fromkeys(keys)))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
    if missing:
        fetched = await ask(request.model, list(missing.values()))
        fresh = dict(zip(missing, fetched, strict=True))
        await store(fresh)
        found |= fresh
    total = sum(found[key][1] for key in keys)
    answer = EmbeddingResponse(
        data=[
            Embedding(index=index, embedding=written(found[key][0], request.encoding_format))
            for index, key in enumerate(keys)
        ],
        model=request.model,
        usage=Usage(prompt_tokens=total, total_tokens=total),
    )
    took_ms = round(1000 * (time.perf_counter() - began_s), 3)
    print(json.dumps({"tenant": tenant, "inputs": len(texts), "misses": len(missing), "ms": took_ms}))
    size = sum(len(found[key][0]) for key in keys) * (20 if request.encoding_format == "float" else 5.4)
    return await elsewhere(answer) if size > LARGEST_BYTES else answer  # type: ignore[return-value]  # FastAPI takes a Response, too


async def look_up(keys: list[bytes]) -> dict[bytes, Kept]:
    """Return what is kept."""
    chunks = [keys[start : start + 100] for start in range(0, len(keys), 100)]
    found: dict[bytes, Kept] = {}
    for items in await asyncio.gather(*(batch_get(chunk) for chunk in chunks)):
        for item in items:
            found[item["k"]["B"]] = (np.frombuffer(item["v"]["B"], np.float32), int(item["n"]["N"]))
    return found


async def batch_get(keys: list[bytes]) -> list[dict[str, Any]]:
    """Read up to 100 items."""
    items: list[dict[str, Any]] = []
    wanted = {TABLE: {"Keys": [{"k": {"B": key}} for key in keys]}}
    while wanted:
        reply = await dynamodb.batch_get_item(RequestItems=wanted)
        items += reply["Responses"].get(TABLE, [])
        wanted = reply.get("UnprocessedKeys")
    return items


async def ask(model: str, texts: list[str]) -> list[Kept]:
    """Have texts embedded. Tokens of a text are its share of the total."""
    response = await openai.post(OPENAI_URL, json={"model": model, "input": texts})
    response.raise_for_status()
    answer = response.json()
    data = sorted(answer["data"], key=lambda one: one["index"])
    each = answer["usage"]["prompt_tokens"] // len(texts)
    return [(np.array(one["embedding"], np.float32), each) for one in data]


async def store(fresh: dict[bytes, Kept]) -> None:
    """Keep vectors, 25 at a time."""
    expires = str(int(time.time()) + TTL_S)
    puts = [
        {
            "PutRequest": {
                "Item": {
                    "k": {"B": key},
                    "v": {"B": vector.tobytes()},
                    "n": {"N": str(tokens)},
                    "e": {"N": expires},
                }
            }
        }
        for key, (vector, tokens) in fresh.items()
    ]
    chunks = [puts[start : start + 25] for start in range(0, len(puts), 25)]
    await asyncio.gather(*(batch_write(chunk) for chunk in chunks))


async def batch_write(puts: list[Any]) -> None:
    """Write up to 25 items."""
    wanted: Any = {TABLE: puts}
    while wanted:
        reply = await dynamodb.batch_write_item(RequestItems=wanted)
        wanted = reply.get("UnprocessedItems")


async def elsewhere(answer: EmbeddingResponse) -> Response:
    """Keep an answer that is too large for Lambda, and say where."""
    if not s3_clients:
        s3_clients.append(await session.create_client("s3").__aenter__())
    key = f"answers/{uuid.uuid4().hex}.json"
    body = answer.model_dump_json().encode()
    await s3_clients[0].put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="application/json")
    url = await s3_clients[0].generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}, 120)
    return RedirectResponse(url, 303)


def written(vector: Vector, encoding: str) -> list[float] | str:
    """Return a vector as the client wants it."""
    return vector.tolist() if encoding == "float" else base64.b64encode(vector.tobytes()).decode()


def key_of(tenant: str, model: str, text: str) -> bytes:
    """Return what a vector is kept under."""
    return hashlib.sha256(f"{tenant}\0{model}\0{text}".encode()).digest()


handler = Mangum(app, lifespan="off")
