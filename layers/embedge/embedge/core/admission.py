"""Can this request be served by this route, and what does it come to?"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from embedge.core.cache_key import Keyring
from embedge.core.metering import may_exceed, token_bound
from embedge.core.request import MAX_REQUEST_TOKENS, EmbeddingRequest, Input, Tokens
from embedge.core.route import Route
from embedge.errors import (
    ContextLengthExceeded,
    InvalidValue,
    RequestTooLarge,
    TooManyTokens,
    UnsupportedParameter,
)

# A float32 prints as at most 17 characters with its comma: "-0.0000104522605,".
_FLOAT_CHARACTERS = 17
_WRAPPER_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class WantedInput:
    """One input with its cache key, its size in UTF-8 bytes, and a number of tokens that it cannot exceed."""

    index: int
    content: Input
    key: bytes
    size_bytes: int
    token_bound: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that its route can serve: every input in order, duplicates included."""

    request: EmbeddingRequest
    route: Route
    dimensions: int
    inputs: tuple[WantedInput, ...]

    def keys(self) -> tuple[bytes, ...]:
        """Return each key once, in the order first seen."""
        return tuple(dict.fromkeys(wanted.key for wanted in self.inputs))

    def without(self, cached: Collection[bytes]) -> tuple[WantedInput, ...]:
        """Return what the cache did not have, each key once, in the order first seen."""
        misses: dict[bytes, WantedInput] = {}
        for wanted in self.inputs:
            if wanted.key not in cached:
                misses.setdefault(wanted.key, wanted)
        return tuple(misses.values())

    def worth_counting(self) -> tuple[WantedInput, ...]:
        """Return the inputs whose tokens decide whether the request is within its limits; mostly none."""
        longest = self.route.max_input_tokens
        if self.bound_tokens() > MAX_REQUEST_TOKENS:
            return self.inputs
        return tuple(w for w in self.inputs if may_exceed(w.size_bytes, self.route.tokenizer, longest))

    def bound_tokens(self) -> int:
        """Return an upper bound of the tokens of all inputs, duplicates included."""
        return sum(wanted.token_bound for wanted in self.inputs)


def want(request: EmbeddingRequest, route: Route, tenant: str) -> Wanted:
    """Join a request to its route.

    Raises: UnsupportedParameter, InvalidValue.
    """
    keyring = Keyring(None if route.shared else tenant, route.space)
    inputs = tuple(_wanted(index, content, route, keyring) for index, content in enumerate(request.inputs))
    return Wanted(request, route, _dimensions(request, route), inputs)


def check_sizes(wanted: Wanted) -> None:
    """Refuse an input that no call to the route's targets can carry. Raises: InvalidValue for the first."""
    largest = min(target.limits.body_bytes for target in wanted.route.targets)
    for item in wanted.inputs:
        if item.size_bytes > largest:
            raise InvalidValue(
                f"Input {item.index} has {item.size_bytes} bytes, and the model {wanted.route.alias} takes at most "
                f"{largest} bytes. Please shorten it or split it into several inputs.",
                param=f"input[{item.index}]",
            )


def check_lengths(wanted: Wanted, counted: Mapping[bytes, int]) -> None:
    """Hold the request to its limits, by the exact counts of those inputs that were worth counting.

    Raises: ContextLengthExceeded for the first input that is too long; TooManyTokens.
    """
    maximum = wanted.route.max_input_tokens
    for item in wanted.inputs:
        tokens = _tokens(item, counted)
        if tokens > maximum:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {maximum} tokens, but input {item.index} has {tokens} "
                "tokens. Please shorten it or split it into several inputs.",
                param=f"input[{item.index}]",
            )
    total = sum(_tokens(item, counted) for item in wanted.inputs)
    if total > MAX_REQUEST_TOKENS:
        raise TooManyTokens(
            f"Requested {total} tokens, max {MAX_REQUEST_TOKENS} tokens per request. "
            "Please send fewer inputs in one request.",
            param="input",
        )


def _tokens(item: WantedInput, counted: Mapping[bytes, int]) -> int:
    """Return what is known of an input's tokens; nothing is held against a text that nobody counted."""
    return len(item.content.ids) if isinstance(item.content, Tokens) else counted.get(item.key, 0)


def check_answer_size(wanted: Wanted, largest_answer_bytes: int | None) -> None:
    """Refuse, before any money is spent, a request whose answer may be too large to be carried; None: nothing is.

    Raises: RequestTooLarge.
    """
    if largest_answer_bytes is None:
        return
    per_vector = wanted.dimensions * _FLOAT_CHARACTERS
    if wanted.request.encoding_format == "base64":
        per_vector = -(-wanted.dimensions * 4 // 3) * 4
    room = largest_answer_bytes // (per_vector + _WRAPPER_CHARACTERS)
    if len(wanted.inputs) > room:
        raise RequestTooLarge(
            f"The answer to {len(wanted.inputs)} inputs may not fit the {largest_answer_bytes} bytes that can be "
            f'returned. Send at most {room} inputs in one request, or ask for "encoding_format": "base64".',
            param="input",
        )


def _wanted(index: int, content: Input, route: Route, keyring: Keyring) -> WantedInput:
    if isinstance(content, Tokens):
        if route.token_inputs == "refused":
            raise InvalidValue(
                f"The model {route.alias} takes text, not token ids. Send strings instead "
                "(LangChain: check_embedding_ctx_length=False).",
                param="input",
            )
        return WantedInput(index, content, keyring.key(content), 4 * len(content.ids), len(content.ids))
    size = len(content.identity())
    bound = token_bound(size, route.tokenizer, route.max_input_tokens)
    return WantedInput(index, content, keyring.key(content), size, bound)


def _dimensions(request: EmbeddingRequest, route: Route) -> int:
    full = route.space.dimensions
    if request.dimensions is None or (request.dimensions == full and route.reducible):
        return full
    if not route.reducible:
        raise UnsupportedParameter(
            f"The model {route.alias} does not support specifying dimensions: it always gives {full}. "
            "Leave the parameter out.",
            param="dimensions",
        )
    if request.dimensions > full:
        raise InvalidValue(
            f"Invalid value for dimensions: {request.dimensions}. The model {route.alias} gives 1 to {full}.",
            param="dimensions",
        )
    return request.dimensions
