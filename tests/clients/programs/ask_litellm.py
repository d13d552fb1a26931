"""How does litellm's SDK embed, through a provider that speaks OpenAI's protocol?"""

import litellm
from lines import decoded, given, serve_calls


def prepare(job):
    if job["retries"] is not None:
        litellm.DEFAULT_MAX_RETRIES = job["retries"]  # it takes a `max_retries` of 0 for none given

    def embed(call):
        answer = litellm.embedding(
            model=f"openai/{call['model']}",
            input=call["input"],
            api_base=job["url"],
            api_key=job["key"],
            allowed_openai_params=["dimensions"],  # it does not know which of its users' models take them
            **given(call, "dimensions", "encoding_format"),
        )
        return [decoded(row["embedding"]) for row in answer.data]

    return embed


if __name__ == "__main__":
    serve_calls(prepare)
