"""Can this request be served by this route, and what does it come to?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from embedge.core.cache_key import Keyring
from embedge.core.generations import NOTHING_PURGED, Generations
from embedge.core.metering import COUNTED_TO_THE_END_BYTES, fewest_tokens, may_exceed, token_bounds
from embedge.core.request import MAX_REQUEST_TOKENS, EmbeddingRequest, Input, Tokens
from embedge.core.route import Route
from embedge.errors import (
    ContextLengthExceeded,
    InvalidValue,
    ModelNotEmbedding,
    RequestTooLarge,
    TooManyTokens,
    UnsupportedParameter,
)

# A float32 prints as at most 17 characters with its comma: "-0.0000104522605,".
_FLOAT_CHARACTERS = 17
_WRAPPER_CHARACTERS = 64


_Columns: TypeAlias = tuple[Sequence[Input], Sequence[bytes], Sequence[int], Sequence[int]]


@dataclass(slots=True, unsafe_hash=True)
class WantedInput:
    """One input with its cache key, its size in UTF-8 bytes, and a number of tokens that it cannot exceed."""

    index: Final[int]
    content: Final[Input]
    key: Final[bytes]
    size_bytes: Final[int]
    token_bound: Final[int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that its route can serve: every input in order, duplicates included, in four columns of one length.

    `owner` are the 16 bytes by which a purge knows whose an entry is: half for the tenant, half for the space. Of all
    inputs, `largest_bytes` is the largest size, `largest_bound` the largest bound of tokens, and `bound_tokens` the sum
    of these bounds, duplicates included.
    """

    request: EmbeddingRequest
    route: Route
    dimensions: int
    owner: bytes
    contents: Sequence[Input]
    keys: Sequence[bytes]
    sizes_bytes: Sequence[int]
    token_bounds: Sequence[int]
    largest_bytes: int
    largest_bound: int
    bound_tokens: int

    @property
    def inputs(self) -> tuple[WantedInput, ...]:
        """Return the columns as rows: made for those who need one, which a hit does not."""
        columns = (self.contents, self.keys, self.sizes_bytes, self.token_bounds)
        return tuple([WantedInput(index, *row) for index, row in enumerate(zip(*columns, strict=True))])

    def sizes(self) -> dict[bytes, int]:
        """Return how many bytes of UTF-8 each input has, by its key."""
        return dict(zip(self.keys, self.sizes_bytes, strict=True))

    def distinct_keys(self) -> tuple[bytes, ...]:
        """Return each key once, in the order first seen."""
        return tuple(dict.fromkeys(self.keys))

    def without(self, cached: Collection[bytes]) -> tuple[WantedInput, ...]:
        """Return what the cache did not have, each key once, in the order first seen."""
        missing = [key for key in self.keys if key not in cached]  # mostly none at all, or all
        if not missing:
            return ()
        misses: dict[bytes, WantedInput] = {}
        for wanted in self.inputs:
            if wanted.key not in cached:
                misses.setdefault(wanted.key, wanted)
        return tuple(misses.values())

    def worth_counting(self) -> tuple[WantedInput, ...]:
        """Return the inputs whose tokens decide whether the request is within its limits; mostly none."""
        longest = self.route.max_input_tokens
        if self.bound_tokens > MAX_REQUEST_TOKENS:
            return self.inputs
        if not may_exceed(self.largest_bytes, self.route.tokenizer, longest):
            return ()
        return tuple(w for w in self.inputs if may_exceed(w.size_bytes, self.route.tokenizer, longest))

    def surely_fits(self) -> bool:
        """Tell whether no input, nor all together, can have too many tokens, as they mostly cannot."""
        maximum = self.route.max_input_tokens
        return (
            self.largest_bound <= maximum
            and fewest_tokens(self.largest_bytes, self.route.tokenizer) <= maximum
            and self.bound_tokens <= MAX_REQUEST_TOKENS
        )


def want(
    request: EmbeddingRequest,
    route: Route,
    tenant: str,
    purged: Generations = NOTHING_PURGED,
    secret: bytes | None = None,
) -> Wanted:
    """Join a request to its route; what was `purged` is not found any more, nor what another `secret` has hidden.

    Raises: ModelNotEmbedding, UnsupportedParameter, InvalidValue.
    """
    if not route.embeds:
        raise ModelNotEmbedding(
            f"The model {route.alias} does not make embeddings. GET /v1/models lists those that do.", param="model"
        )
    keyring = Keyring(None if route.shared else tenant, route.space, purged, secret)
    contents, keys, sizes, bounds = _columns(request.inputs, route, keyring)
    largest = max(sizes), max(bounds), sum(bounds)
    dimensions = _dimensions(request, route)
    return Wanted(request, route, dimensions, keyring.owner, contents, keys, sizes, bounds, *largest)


def check_sizes(wanted: Wanted) -> None:
    """Refuse what its size alone shows to be too much: nothing is tokenised for that.

    Raises: ContextLengthExceeded, TooManyTokens; InvalidValue for the first input that no call to a target can carry.
    """
    if not wanted.surely_fits():
        _check_tokens(wanted, [_at_least(item, wanted.route) for item in wanted.inputs])
    largest = min(target.limits.body_bytes for target in wanted.route.targets)
    if wanted.largest_bytes > largest:
        item = next(item for item in wanted.inputs if item.size_bytes > largest)
        raise InvalidValue(
            f"Input {item.index} has {item.size_bytes} bytes, and the model {wanted.route.alias} takes at most "
            f"{largest} bytes. Please shorten it or split it into several inputs.",
            param=f"input[{item.index}]",
        )


def check_lengths(wanted: Wanted, counted: Mapping[bytes, int]) -> None:
    """Hold the request to its limits, by the counts of those inputs that were worth counting.

    Raises: ContextLengthExceeded for the first input that is too long; TooManyTokens.
    """
    if not counted and wanted.surely_fits():
        return
    maximum = wanted.route.max_input_tokens
    _check_tokens(wanted, [_as_counted(item, counted, maximum) for item in wanted.inputs])


def too_many_tokens(total: str) -> TooManyTokens:
    """Say that the inputs together are over the limit."""
    return TooManyTokens(
        f"Requested {total} tokens, max {MAX_REQUEST_TOKENS} tokens per request. "
        "Please send fewer inputs in one request.",
        param="input",
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a number of tokens. Nothing is held against a text of which it is zero."""

    tokens: int
    exact: bool

    def said(self) -> str:
        """Return it in words."""
        return str(self.tokens) if self.exact else f"at least {self.tokens}"


def _at_least(item: WantedInput, route: Route) -> _Known:
    if isinstance(item.content, Tokens):
        return _Known(len(item.content.ids), exact=True)
    return _Known(fewest_tokens(item.size_bytes, route.tokenizer), exact=False)


def _as_counted(item: WantedInput, counted: Mapping[bytes, int], maximum: int) -> _Known:
    if isinstance(item.content, Tokens):
        return _Known(len(item.content.ids), exact=True)
    tokens = counted.get(item.key, 0)
    return _Known(tokens, exact=tokens != maximum + 1 or item.size_bytes <= COUNTED_TO_THE_END_BYTES)


def _check_tokens(wanted: Wanted, known: Sequence[_Known]) -> None:
    maximum = wanted.route.max_input_tokens
    for item, one in zip(wanted.inputs, known, strict=True):
        if one.tokens > maximum:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {maximum} tokens, but input {item.index} has {one.said()} "
                "tokens. Please shorten it or split it into several inputs.",
                param=f"input[{item.index}]",
            )
    total = _Known(sum(one.tokens for one in known), all(one.exact for one in known))
    if total.tokens > MAX_REQUEST_TOKENS:
        raise too_many_tokens(total.said())


def check_answer_size(wanted: Wanted, largest_answer_bytes: int) -> None:
    """Refuse, before any money is spent, a request whose answer may be too large to be given back.

    Raises: RequestTooLarge.
    """
    as_text = wanted.request.encoding_format == "float"
    per_vector = wanted.dimensions * _FLOAT_CHARACTERS if as_text else -(-wanted.dimensions * 4 // 3) * 4
    room = largest_answer_bytes // (per_vector + _WRAPPER_CHARACTERS)
    if len(wanted.keys) > room:
        or_shorter = ', or ask for "encoding_format": "base64"' if as_text else ""
        raise RequestTooLarge(
            f"The answer to {len(wanted.keys)} inputs may not fit the {largest_answer_bytes} bytes that can be "
            f"returned. Send at most {room} inputs in one request{or_shorter}.",
            param="input",
        )


def _columns(contents: Sequence[Input], route: Route, keyring: Keyring) -> _Columns:
    """Return of each input what is asked of the model, its key, its size and a bound of its tokens."""
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) < len(contents):
        rows = [_row(content, route, keyring) for content in contents]
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows]
    if route.space.prompt:
        texts = [route.space.prompt + text for text in texts]
    keys, sizes = keyring.text_keys(texts)
    return texts, keys, sizes, token_bounds(sizes, route.tokenizer, route.max_input_tokens)


def _row(content: Input, route: Route, keyring: Keyring) -> tuple[Input, bytes, int, int]:
    if isinstance(content, str):
        contents, keys, sizes, bounds = _columns((content,), route, keyring)
        return contents[0], keys[0], sizes[0], bounds[0]
    _check_takes_tokens(route)
    return content, keyring.tokens_key(content.identity()), 4 * len(content.ids), len(content.ids)


def _check_takes_tokens(route: Route) -> None:
    if route.space.prompt:
        raise InvalidValue(
            f"The model {route.alias} takes text only, because a prompt is put before it. Send strings instead.",
            param="input",
        )
    if route.token_inputs != "native":  # of those that can be decoded, all have been
        raise InvalidValue(
            f"The model {route.alias} takes text, not token ids. Send strings instead "
            "(LangChain: check_embedding_ctx_length=False).",
            param="input",
        )


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
