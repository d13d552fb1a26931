"""What do token ids say to a model that does not share their tokenizer? The text that they stand for.

LangChain cuts a long text where it has counted so many tokens, which may be within a character. The bytes that are no
UTF-8 there become U+FFFD, as in tiktoken's own `decode`: a client that decodes its ids itself sends the very same text.
A refusal would fail the whole document for one character, and leaving the bytes out would not show.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from embedge.core.admission import too_many_tokens
from embedge.core.request import MAX_BODY_BYTES, MAX_REQUEST_TOKENS, EmbeddingRequest, Input, Tokens
from embedge.errors import InvalidValue, RequestTooLarge


def count_ids(request: EmbeddingRequest) -> int:
    """Return the number of token ids that a request brings."""
    return sum(len(item.ids) for item in request.inputs if isinstance(item, Tokens))


def decoded(request: EmbeddingRequest, spell: Callable[[Sequence[int]], bytes]) -> EmbeddingRequest:
    """Return the request with every array of ids as its text; `spell` raises KeyError for an id that it does not know.

    A few bytes of ids may be 128 of text, so both are held to what any request may bring.
    Raises: InvalidValue for the first input with an unknown id; TooManyTokens, RequestTooLarge.
    """
    ids = count_ids(request)
    if ids > MAX_REQUEST_TOKENS:
        raise too_many_tokens(str(ids))
    inputs: list[Input] = []
    size = 0
    for index, item in enumerate(request.inputs):
        if isinstance(item, Tokens):
            content = _bytes(index, item, spell)
            size += len(content)
            if size > MAX_BODY_BYTES:
                raise _too_large()
            inputs.append(content.decode("utf-8", "replace"))
        else:
            inputs.append(item)
    return replace(request, inputs=tuple(inputs))


def _bytes(index: int, item: Tokens, spell: Callable[[Sequence[int]], bytes]) -> bytes:
    try:
        return spell(item.ids)
    except KeyError as unknown:
        raise InvalidValue(
            f"Input {index} has an id that is no token of text in cl100k_base (special tokens are none). "
            "Send strings, or ids that tiktoken's cl100k_base gave.",
            param=f"input[{index}]",
        ) from unknown


def _too_large() -> RequestTooLarge:
    return RequestTooLarge(
        f"The token ids stand for more than {MAX_BODY_BYTES} bytes of text, which is the most that can be taken. "
        "Send fewer inputs.",
        param="input",
    )
