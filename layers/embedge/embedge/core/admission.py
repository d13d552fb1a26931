"""Can this request be served by this route, and what does it come to?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedge.core.metering import COUNTED_TO_THE_END_BYTES, fewest_tokens
from embedge.core.request import MAX_REQUEST_TOKENS, Tokens
from embedge.core.route import Route
from embedge.core.wanted import Wanted, WantedInput
from embedge.errors import ContextLengthExceeded, InvalidValue, RequestTooLarge, TooManyTokens

# A float32 prints as at most 17 characters with its comma: "-0.0000104522605,".
_FLOAT_CHARACTERS = 17
_WRAPPER_CHARACTERS = 64


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
