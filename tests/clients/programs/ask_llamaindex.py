"""How does LlamaIndex embed? 100 texts a request."""

from functools import cache

from lines import retries, serve_calls
from llama_index.embeddings.openai import OpenAIEmbedding


def prepare(job):
    @cache
    def embedding(model, dimensions):
        where = {"api_base": job["url"], "api_key": job["key"]}
        return OpenAIEmbedding(model_name=model, dimensions=dimensions, **where, **retries(job))

    def embed(call):
        asked = embedding(call["model"], call.get("dimensions"))
        if isinstance(call["input"], str):
            return [asked.get_query_embedding(call["input"])]
        return asked.get_text_embedding_batch(call["input"])

    return embed


if __name__ == "__main__":
    serve_calls(prepare)
