"""Is a request refused exactly where it breaks a limit, before any money is spent, and by a message that says so?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.api import answer_body
from embedge.core.admission import check_answer_size, check_lengths, check_sizes
from embedge.core.assembly import Embedded
from embedge.core.metering import COUNTED_TO_THE_END_BYTES
from embedge.core.request import MAX_REQUEST_TOKENS, Encoding, Tokens
from embedge.core.vector_codec import encode
from embedge.core.wanted import want
from embedge.errors import (
    ContextLengthExceeded,
    EmbedgeError,
    InvalidValue,
    ModelNotEmbedding,
    RequestTooLarge,
    TooManyTokens,
    UnsupportedParameter,
)
from tests.core.samples import request, route

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "ŧhe caller's own text"
TEXTS = st.lists(st.sampled_from(["a", "b", "é", "cc", "ddd" * 50]), min_size=1, max_size=12)


@given(TEXTS, st.sets(st.sampled_from(["a", "b", "é", "cc"])))
def test_each_input_is_wanted_in_its_place_and_each_key_is_asked_for_once(texts: list[str], known: set[str]) -> None:
    wanted = want(request(*texts), route(), "acme")
    assert [item.index for item in wanted.inputs] == list(range(len(texts)))
    assert [item.content for item in wanted.inputs] == list(texts)
    key_of = {text: item.key for text, item in zip(texts, wanted.inputs, strict=True)}
    distinct = list(dict.fromkeys(texts))
    assert list(wanted.distinct_keys) == [key_of[text] for text in distinct]
    misses = wanted.without({key_of[text] for text in known if text in key_of})
    assert [item.content for item in misses] == [text for text in distinct if text not in known]
    assert [item.index for item in misses] == [texts.index(text) for text in distinct if text not in known]


def test_a_text_is_bounded_by_its_bytes_and_tokens_by_their_number() -> None:
    text, tokens = want(request("é!", Tokens((7, 8, 9))), route(), "acme").inputs
    assert (text.size_bytes, text.token_bound) == (3, 3)
    assert (tokens.size_bytes, tokens.token_bound) == (12, 3)
    (unbounded,) = want(request("é!"), route(tokenizer=None, max_input_tokens=500), "acme").inputs
    assert unbounded.token_bound == 500


DIMENSIONS: list[tuple[bool, int | None, int | type[EmbedgeError]]] = [
    (True, None, 8),
    (True, 8, 8),
    (True, 1, 1),
    (True, 9, InvalidValue),
    (False, None, 8),
    (False, 8, UnsupportedParameter),
    (False, 1, UnsupportedParameter),
    (False, 9, UnsupportedParameter),
]


@pytest.mark.parametrize(("reducible", "asked", "expected"), DIMENSIONS)
def test_dimensions_are_given_where_the_model_has_them_and_refused_elsewhere(
    reducible: bool,  # noqa: FBT001 (a field of the route)
    asked: int | None,
    expected: int | type[EmbedgeError],
) -> None:
    model = route(reducible=reducible)
    if isinstance(expected, int):
        assert want(request("a", dimensions=asked), model, "acme").dimensions == expected
        return
    with pytest.raises(expected) as caught:
        want(request("a", dimensions=asked), model, "acme")
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize("token_inputs", ["refused", "cl100k"])
def test_tokens_are_refused_by_a_model_that_does_not_share_their_tokenizer(token_inputs: str) -> None:
    with pytest.raises(InvalidValue, match="check_embedding_ctx_length=False") as caught:
        want(request("a", Tokens((1,))), route(token_inputs=token_inputs), "acme")
    assert caught.value.param == "input"


def exceeding(inputs: tuple[Any, ...], counts: Mapping[int, int], **fields: Any) -> None:
    wanted = want(request(*inputs), route(**fields), "acme")
    check_lengths(wanted, {wanted.inputs[index].key: tokens for index, tokens in counts.items()})


def test_an_input_at_the_maximum_passes_and_one_token_more_is_refused_by_its_index() -> None:
    exceeding((SECRET, "b"), {0: 10, 1: 10}, max_input_tokens=10)
    with pytest.raises(ContextLengthExceeded) as caught:
        exceeding(("b", SECRET, "c"), {0: 10, 1: 11, 2: 12}, max_input_tokens=10)
    assert caught.value.param == "input[1]"
    assert "This model's maximum context length is 10 tokens" in caught.value.message
    assert "has 11 tokens" in caught.value.message
    assert SECRET not in caught.value.message


def test_of_a_large_text_one_token_over_the_maximum_is_what_it_has_at_least() -> None:
    for size, said in (
        (COUNTED_TO_THE_END_BYTES, "has 11 tokens"),
        (COUNTED_TO_THE_END_BYTES + 1, "at least 11 tokens"),
    ):
        with pytest.raises(ContextLengthExceeded, match=said):
            exceeding(("a" * size,), {0: 11}, max_input_tokens=10)
    with pytest.raises(ContextLengthExceeded, match="has 12 tokens"):
        exceeding(("a" * COUNTED_TO_THE_END_BYTES * 2,), {0: 12}, max_input_tokens=10)


CL100K = {"family": "cl100k"}


def test_a_text_that_no_count_can_save_is_refused_by_its_size() -> None:
    longest = 128 * 10
    check_sizes(want(request("b", "a" * longest), route(tokenizer=CL100K, max_input_tokens=10), "acme"))
    with pytest.raises(ContextLengthExceeded, match="input 1 has at least 11 tokens") as caught:
        check_sizes(want(request("b", "a" * (longest + 1)), route(tokenizer=CL100K, max_input_tokens=10), "acme"))
    assert caught.value.param == "input[1]"
    for tokenizer in (None, {"family": "byte_bpe"}, {"family": "bert"}):
        check_sizes(want(request("a" * (longest + 1)), route(tokenizer=tokenizer, max_input_tokens=10), "acme"))


def test_texts_that_no_count_can_save_together_are_refused_by_their_sizes() -> None:
    model = route(tokenizer=CL100K, max_input_tokens=MAX_REQUEST_TOKENS)
    ids = Tokens((1,) * (MAX_REQUEST_TOKENS - 10))
    check_sizes(want(request(ids, "a" * 1280), model, "acme"))
    with pytest.raises(TooManyTokens, match="Requested at least 300001 tokens, max 300000 tokens per request"):
        check_sizes(want(request(ids, "a" * 1281), model, "acme"))
    with pytest.raises(TooManyTokens, match="Requested 300001 tokens, max 300000 tokens per request"):
        check_sizes(want(request(ids, Tokens((1,) * 11)), model, "acme"))


def test_token_arrays_are_held_to_the_maximum_without_being_counted() -> None:
    exceeding((Tokens((1,) * 10),), {}, max_input_tokens=10)
    with pytest.raises(ContextLengthExceeded):
        exceeding((Tokens((1,) * 11),), {}, max_input_tokens=10)


def test_a_request_at_300_000_tokens_passes_and_one_token_more_is_refused_duplicates_included() -> None:
    at = tuple(Tokens((number,) * 6000) for number in range(50))
    exceeding(at, {})
    with pytest.raises(TooManyTokens, match="Requested 300001 tokens, max 300000 tokens per request") as caught:
        exceeding((*at, Tokens((1,))), {})
    assert caught.value.param == "input"
    with pytest.raises(TooManyTokens):
        exceeding((at[0],) * 51, {})


def test_nothing_is_held_against_a_text_that_nobody_could_count() -> None:
    exceeding(("a" * 100_000, "b" * 400_000), {}, max_input_tokens=10)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 30))
def test_only_what_may_be_too_long_is_worth_counting(sizes: list[int], longest: int) -> None:
    wanted = want(request(*("a" * size for size in sizes)), route(max_input_tokens=longest), "acme")
    assert [item.size_bytes for item in wanted.worth_counting()] == [size for size in sizes if size > longest]


def test_all_is_worth_counting_where_the_request_as_a_whole_may_be_too_long() -> None:
    half = MAX_REQUEST_TOKENS // 2
    within = want(request("a" * half, "b" * half), route(max_input_tokens=half), "acme")
    assert within.worth_counting() == ()
    over = want(request("a" * half, "b" * half, "c"), route(max_input_tokens=half), "acme")
    assert over.worth_counting() == over.inputs


# Numbers in which float32 is at its longest, most of all those that JSON writes without an exponent.
LONGEST = [-0.0000104522605, -1.50275875e-36, -4484173400000.0, -0.000102342245, -0.0000074057166]
NUMBERS = st.sampled_from(LONGEST) | st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(NUMBERS, st.sampled_from([1, 100]), st.integers(1, 40), st.sampled_from(["float", "base64"]))
def test_vectors_that_do_not_fit_are_refused_whatever_their_numbers_are(
    number: float, dimensions: int, count: int, encoding: Encoding
) -> None:
    space = {"model": "m", "revision": "1", "dimensions": dimensions}
    wanted = want(request(*["a"] * count, encoding_format=encoding), route(space=space), "acme")
    vector = encode(bytes(32), np.full(dimensions, number, np.float32), 1, estimated=False)
    body = b"".join(answer_body.parts(Embedded("m", encoding, dimensions, (vector,) * count, 1, 0, 0, (), 0, ())))
    data = body[body.index(b"[") : body.rindex(b"]")]
    with pytest.raises(RequestTooLarge):
        check_answer_size(wanted, len(data) - 1)


@pytest.mark.parametrize(("encoding", "a_vector"), [("float", 8 * 17 + 64), ("base64", 44 + 64)])
def test_an_answer_that_may_not_fit_is_refused_by_how_many_inputs_would(encoding: Encoding, a_vector: int) -> None:
    wanted = want(request(*["a"] * 10, encoding_format=encoding), route(), "acme")
    check_answer_size(wanted, 10 * a_vector)
    with pytest.raises(RequestTooLarge, match="Send at most 9 inputs") as caught:
        check_answer_size(wanted, 10 * a_vector - 1)
    assert caught.value.param == "input"


def test_smaller_dimensions_make_room_for_more() -> None:
    wanted = want(request(*["a"] * 10, encoding_format="base64", dimensions=1), route(), "acme")
    check_answer_size(wanted, 10 * (8 + 64))


def test_a_prompt_is_part_of_every_text_and_of_its_size() -> None:
    prompted = route(space={"model": "m", "revision": "1", "dimensions": 8, "prompt": "query: "})
    (item,) = want(request("what?"), prompted, "acme").inputs
    assert item.content == "query: what?"
    assert item.size_bytes == len("query: what?")
    with pytest.raises(InvalidValue, match="takes text only"):
        want(request(Tokens((1, 2))), prompted, "acme")


def test_a_model_that_does_not_embed_is_known_and_refused_as_such() -> None:
    with pytest.raises(ModelNotEmbedding) as caught:
        want(request("a"), route(embeds=False, targets=[]), "acme")
    assert caught.value.param == "model"
