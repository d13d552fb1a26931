"""How does openai-python embed when it does not block?"""

import asyncio

from lines import decoded, given, refusal, retries, serve, vectors
from openai import AsyncOpenAI


async def answer(job):
    async with AsyncOpenAI(base_url=job["url"], api_key=job["key"], **retries(job)) as client:
        return await asyncio.gather(*(embed(client, call) for call in job["calls"]))


async def embed(client, call):
    options = given(call, "dimensions", "encoding_format")
    try:
        got = await client.embeddings.create(model=call["model"], input=call["input"], **options)
        return vectors([decoded(row.embedding) for row in got.data])
    except Exception as error:  # noqa: BLE001 (what a client raises is what is asked for)
        return refusal(error)


if __name__ == "__main__":
    serve(lambda job: asyncio.run(answer(job)))
