"""How does Haystack embed? One text by one component, documents by another, 32 a request."""

from functools import cache

from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret
from lines import retries, serve_calls


def prepare(job):
    where = {"api_base_url": job["url"], "api_key": Secret.from_token(job["key"])}

    @cache
    def of_a_text(model, dimensions):
        return OpenAITextEmbedder(model=model, dimensions=dimensions, **where, **retries(job))

    @cache
    def of_documents(model, dimensions):
        options = {"progress_bar": False, "raise_on_failure": True}
        return OpenAIDocumentEmbedder(model=model, dimensions=dimensions, **options, **where, **retries(job))

    def embed(call):
        asked = call["model"], call.get("dimensions")
        if isinstance(call["input"], str):
            return [of_a_text(*asked).run(call["input"])["embedding"]]
        # Documents with the same text are one to Haystack unless their ids differ.
        documents = [Document(id=str(number), content=text) for number, text in enumerate(call["input"])]
        return [document.embedding for document in of_documents(*asked).run(documents)["documents"]]

    return embed


if __name__ == "__main__":
    serve_calls(prepare)
