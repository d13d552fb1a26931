"""How does openai-python embed, in whichever version runs this?"""

from lines import decoded, given, retries, serve_calls
from openai import OpenAI


def prepare(job):
    client = OpenAI(base_url=job["url"], api_key=job["key"], **retries(job))

    def embed(call):
        options = given(call, "dimensions", "encoding_format")
        answer = client.embeddings.create(model=call["model"], input=call["input"], **options)
        return [decoded(row.embedding) for row in answer.data]

    return embed


if __name__ == "__main__":
    serve_calls(prepare)
