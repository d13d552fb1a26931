"""How many tokens did Bedrock count? It says so in a header of every InvokeModel, whatever the model.

Source: https://github.com/aws-samples/sample-amazon-bedrock-global-cris (simple_cohere_embed_example.py), read 2026-11.
"""

from embedge.ports import WireResponse
from embedge.providers.base import tokens_in

_HEADER = "x-amzn-bedrock-input-token-count"
_LONGEST_COUNT = 10


def counted_by_bedrock(response: WireResponse) -> int | None:
    """Return the header's count, None where there is none that can be kept."""
    said = response.headers.get(_HEADER, "")
    # Python reads more than decimal digits as a number, and any amount of them.
    if not (said.isascii() and said.isdigit() and len(said) <= _LONGEST_COUNT):
        return None
    return tokens_in(int(said))
