"""What does a request want of its route? Inputs in columns, each with its key, its size and a bound of its tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from embedge.core.cache_key import Keyring
from embedge.core.generations import NOTHING_PURGED, Generations
from embedge.core.metering import fewest_tokens, may_exceed, token_bounds
from embedge.core.request import MAX_REQUEST_TOKENS, EmbeddingRequest, Input
from embedge.core.route import Route
from embedge.errors import InvalidValue, ModelNotEmbedding, UnsupportedParameter

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

    `owner` are the 16 bytes by which a purge knows whose an entry is: half for the tenant, half for the space.
    `distinct_keys` are each key once, in the order first seen. Of all inputs, `largest_bytes` is the largest size,
    `largest_bound` the largest bound of tokens, and `bound_tokens` the sum of these bounds, duplicates included.
    """

    request: EmbeddingRequest
    route: Route
    dimensions: int
    owner: bytes
    contents: Sequence[Input]
    keys: Sequence[bytes]
    distinct_keys: Sequence[bytes]
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
    return Wanted(
        request, route, dimensions, keyring.owner, contents, keys, tuple(dict.fromkeys(keys)), sizes, bounds, *largest
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
