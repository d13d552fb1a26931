"""How does LangChain embed? By its defaults: it makes tokens of the texts, and sends up to 1000 of them at once."""

from functools import cache

from langchain_openai import OpenAIEmbeddings
from lines import retries, serve_calls


def prepare(job):
    @cache
    def embeddings(model, dimensions):
        where = {"base_url": job["url"], "api_key": job["key"]}
        return OpenAIEmbeddings(model=model, dimensions=dimensions, **where, **retries(job))

    def embed(call):
        asked = embeddings(call["model"], call.get("dimensions"))
        if isinstance(call["input"], str):
            return [asked.embed_query(call["input"])]
        return asked.embed_documents(call["input"])

    return embed


if __name__ == "__main__":
    serve_calls(prepare)
