"""Does a server that lies, breaks or attacks ever get more than an error that is true and repeats nothing?"""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.api.error_table import TABLE
from embedge.core.route import Space
from embedge.core.vector_codec import decode, encode
from embedge.errors import (
    CallTooLarge,
    EmbeddingsNotAvailable,
    RefusedByProvider,
    UpstreamCold,
    UpstreamInvalidResponse,
    UpstreamUnavailable,
)
from embedge.upstreams import PROVIDERS
from tests.providers.samples import NAMES, SPACE, response

if TYPE_CHECKING:
    from embedge.core.route import ProviderName
    from embedge.ports import WireResponse

RAW = Space("model", "1", 3, normalised=False)
GOOD = [0.6, 0.8, 0.0]
OVERLONG = 512
KEYS = [
    "sk-proj-abcdefghijklmnop0123456789",
    "SK-ABCDEF0123456789",
    "Bearer s3cret-s3cret-s3cret",
    "bearer s3cret-s3cret-s3cret",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "jina_0123456789abcdef",
    "pa-0123456789-abcdefghijABCDEFGHIJ_012345678",
    "0123456789abcdef0123456789abcdef",
]


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def row(embedding: object, index: object = 0) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": embedding}


def entries(*rows: object) -> bytes:
    return json.dumps({"data": rows, "usage": {"prompt_tokens": 5}}).encode()


NUMBERED: tuple[ProviderName, ...] = ("openai", "voyage", "jina")


def answering(name: ProviderName, *vectors: object) -> bytes:
    """Return an answer of this wire format with these for vectors."""
    if name in NUMBERED:
        return entries(*(row(vector, index) for index, vector in enumerate(vectors)))
    if name == "tei":
        return json.dumps(vectors).encode()
    if name == "cohere":
        return json.dumps({"embeddings": {"float": vectors}}).encode()
    return json.dumps({"embedding": vectors[0]}).encode()


NO_VECTORS: list[object] = [
    None,
    True,
    3,
    "",
    "0.6,0.8,0",
    {},
    {"0": 0.6, "1": 0.8, "2": 0},
    [],
    [0.6],
    [0.6, 0.8],
    [*GOOD, 0.0],
    ["0.6", "0.8", "0"],
    [0.6, "0.8", 0],
    [0.6, 0.8, None],
    [0.6, 0.8, True],
    [True, False, False],
    [0.6, 0.8, {}],
    [0.6, 0.8, []],
    [0.6, 0.8, [0]],
    [GOOD],
    [[0.6], [0.8], [0.0]],
    [float("nan"), 0.8, 0.0],
    [float("inf"), 0.8, 0.0],
    [1e300, 0.8, 0.0],
    [-1e300, 1e300, 0.0],
    [0, 0, 0],
    [0.0, -0.0, 1e-300],
    [[[[[[0.6]]]]]] * 3,
]
NO_BASE64: list[object] = [
    packed(*GOOD)[:-1],
    packed(*GOOD)[:-4],
    packed(*GOOD) + "AAAA",
    packed(*GOOD) + "=",
    " " + packed(*GOOD),
    packed(*GOOD) + "\n",
    packed(*GOOD)[:8] + "\r\n" + packed(*GOOD)[8:],
    packed(*GOOD).replace("A", "-"),
    packed(*GOOD).replace("A", "é"),
    packed(0.6, 0.8),
    packed(*GOOD, 0.0),
    packed(0, 0, 0),
    packed(float("nan"), 0.8, 0),
    packed(float("-inf"), 0.8, 0),
    base64.b64encode(bytes.fromhex("0100a07f") * 3).decode(),  # a signalling NaN
    "=" * 16,
    "\0" * 16,
]
NO_DOCUMENTS: list[bytes] = [
    b"",
    b"null",
    b"3",
    b'"text"',
    b"[" * 100_000,
    b'{"data":' * 2_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b"<html>welcome</html>",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"data": NaN}',
    b'{"data": 1e400}',
    b'{"data": "\\ud800"}',
    b'{"data"',
]
NO_OPENAI_DATA: list[bytes] = [
    b"{}",
    b"[]",
    b'{"data": null}',
    b'{"data": {}}',
    b'{"data": []}',
    b'{"data": "rows"}',
    b'{"data": [null]}',
    b'{"data": [[0.6, 0.8, 0]]}',
    b'{"data": [{"index": 0, "embedding": [1e400, 0, 0]}]}',
    b'{"data": [{"index": 0, "embedding": [' + b"9" * 400 + b", 0, 0]}]}",
    b'{"data": [{"index": ' + b"9" * 30 + b', "embedding": [0, 1, 0]}]}',
    entries({"index": 0}),
    entries({"embedding": GOOD}),
    entries(row(GOOD, None)),
    entries(row(GOOD, 0.0)),
    entries(row(GOOD, "0")),
    entries(row(GOOD, index=False)),
    entries(row(GOOD, -1)),
    entries(row(GOOD, 1)),
    entries(row(GOOD, 2**63)),
    entries(row(GOOD, [0])),
    entries(row(GOOD, {})),
    entries(row(GOOD), row(GOOD)),
    entries(row(GOOD), row(GOOD, 1)),
    entries(row(GOOD), None),
]
NO_TEI_ROWS: list[bytes] = [b"[]", b"{}", b'{"data": []}', b"[[0.6, 0.8, 0], [0.6, 0.8, 0]]", b"[[0.6, 0.8, 1e400]]"]
NO_COHERE_ROWS: list[bytes] = [
    b"{}",
    b'{"embeddings": null}',
    b'{"embeddings": {}}',
    b'{"embeddings": []}',
    b'{"embeddings": {"float": null}}',
    b'{"embeddings": {"float": {"0": [0.6, 0.8, 0]}}}',
    b'{"embeddings": {"int8": [[1, 0, 0]]}}',
    b'{"embeddings": [[0.6, 0.8, 0], [0.6, 0.8, 0]]}',
]
NO_TITAN_VECTOR: list[bytes] = [b"{}", b"[]", b'{"embeddings": [0.6, 0.8, 0]}']
HOSTILE: list[tuple[ProviderName, bytes]] = [
    *((name, answering(name, bad)) for name in NAMES for bad in NO_VECTORS + NO_BASE64),
    *((name, body) for name in NAMES for body in NO_DOCUMENTS),
    *((name, body) for name in NUMBERED for body in NO_OPENAI_DATA),
    *(("tei", body) for body in NO_TEI_ROWS),
    *(("cohere", body) for body in NO_COHERE_ROWS),
    *(("titan", body) for body in NO_TITAN_VECTOR),
]


@pytest.mark.parametrize(("name", "body"), HOSTILE)
def test_what_is_not_one_good_vector_is_an_invalid_response(name: ProviderName, body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        PROVIDERS[name].answer(response(body), 1, SPACE)
    assert len(caught.value.message) < OVERLONG


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("second", [[0.6, "x", 0], [1, 0], [0, 0, 0], None])
def test_one_bad_vector_spoils_its_call(name: ProviderName, second: object) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        PROVIDERS[name].answer(response(answering(name, GOOD, second)), 2, SPACE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "numbers", [[6, 8, 0], [6e-30, 8e-30, 0], [6e-42, 8e-42, 0], [6e37, 8e37, 0], [0.61, 0.81, 0], [1e-45, 0, 0]]
)
def test_a_vector_of_another_length_is_brought_to_length_one(name: ProviderName, numbers: list[float]) -> None:
    body = answering(name, numbers)
    (vector,) = PROVIDERS[name].answer(response(body), 1, SPACE).vectors
    reference = np.array(numbers, np.float32).astype(np.float64)
    np.testing.assert_allclose(vector, reference / np.linalg.norm(reference), rtol=0, atol=1e-7)
    (raw,) = PROVIDERS[name].answer(response(body), 1, RAW).vectors
    assert raw.tolist() == np.array(numbers, np.float32).tolist()


def test_a_vector_of_length_one_is_left_as_it_came_whatever_stands_beside_it() -> None:
    near_one = [0.6001, 0.8, 0.0]
    together = PROVIDERS["openai"].answer(response(entries(row(near_one), row([3, 4, 0], 1))), 2, SPACE).vectors
    assert together[0].tolist() == np.array(near_one, np.float32).tolist()


TOKENS: list[tuple[object, int | None]] = [
    (5, 5),
    (0, 0),
    (2**31 - 1, 2**31 - 1),
    (2**31, None),  # more than the stored form holds, and than anything costs
    (2**63, None),
    (10**30, None),
    ("5", None),
    (-1, None),
    (5.0, None),
    (None, None),
    (True, None),
    ([5], None),
]


def counting(name: ProviderName, said: object) -> dict[str, Any]:
    """Return where this wire format counts."""
    if name == "titan":
        return {"inputTextTokenCount": said}
    if name == "cohere":
        return {"meta": {"billed_units": {"input_tokens": said}}}
    return {"usage": {"total_tokens" if name == "voyage" else "prompt_tokens": said}}


COUNTED = [name for name in NAMES if name != "tei"]


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize(("said", "read"), TOKENS)
def test_a_count_of_tokens_is_a_count_that_can_be_kept_or_none(
    name: ProviderName, said: object, read: int | None
) -> None:
    if name == "cohere" and said == 5.0:
        read = 5  # it declares its counts as doubles
    answered = response(json.loads(answering(name, GOOD)) | counting(name, said))
    assert PROVIDERS[name].usage(answered) == read
    answer = PROVIDERS[name].answer(answered, 1, SPACE)
    assert answer.tokens == read
    assert not isinstance(answer.tokens, bool)
    stored = encode(bytes(32), answer.vectors[0], answer.tokens or 0, estimated=False)
    assert decode(bytes(32), stored.kept(), 3) == stored


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("where", [None, 5, [], "five", {}, {"prompt_tokens": {}}, {"billed_units": 3}])
def test_usage_of_another_form_counts_nothing(name: ProviderName, where: object) -> None:
    body = {"usage": where, "meta": where, "inputTextTokenCount": str(where)}
    assert PROVIDERS[name].usage(response(body)) is None


@pytest.mark.parametrize("name", ["titan", "cohere"])
@pytest.mark.parametrize(
    ("said", "read"), [("7", 7), ("0", 0), ("-1", None), ("7.0", None), ("", None), ("²", None), ("9" * 5000, None)]
)
def test_what_bedrock_counted_is_read_from_its_header(name: ProviderName, said: str, read: int | None) -> None:
    headers = {"x-amzn-bedrock-input-token-count": said}
    answered = response(answering(name, GOOD), headers=headers)
    assert PROVIDERS[name].usage(answered) == PROVIDERS[name].answer(answered, 1, SPACE).tokens == read
    assert PROVIDERS[name].usage(response(b"not JSON", headers=headers)) == read


# Whatever comes.

NUMBERS = st.floats(width=32) | st.integers(-(2**70), 2**70) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from([packed(*GOOD), "data", "0.6"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "index", "embedding"]), inner),
    max_leaves=12,
)
VECTORISH = st.lists(NUMBERS | LEAVES, min_size=3, max_size=3) | st.lists(NUMBERS, min_size=3, max_size=3) | JSON
USAGE = st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens"]), JSON) | JSON
OPENAI_LIKE = st.fixed_dictionaries(
    {
        "data": st.lists(
            st.fixed_dictionaries({"index": st.integers(-1, 2) | JSON, "embedding": VECTORISH}) | JSON, max_size=3
        ),
        "usage": USAGE,
    }
)
TEI_LIKE = st.lists(VECTORISH, max_size=3)
TITAN_LIKE = st.fixed_dictionaries({"embedding": VECTORISH}, optional={"inputTextTokenCount": JSON})
COHERE_LIKE = st.fixed_dictionaries(
    {"embeddings": TEI_LIKE | st.fixed_dictionaries({"float": TEI_LIKE})},
    optional={"meta": st.fixed_dictionaries({"billed_units": st.fixed_dictionaries({"input_tokens": JSON})}) | JSON},
)
BODIES = st.one_of(JSON, OPENAI_LIKE, TEI_LIKE, TITAN_LIKE, COHERE_LIKE).map(
    lambda value: json.dumps(value).encode()
) | st.binary(max_size=40)
RESPONSES = BODIES.map(response)


@settings(max_examples=200)
@given(st.sampled_from(NAMES), RESPONSES, st.integers(1, 3), st.sampled_from([SPACE, RAW]))
def test_whatever_a_server_sends_is_good_vectors_or_an_invalid_response(
    name: ProviderName, answered: WireResponse, inputs: int, space: Space
) -> None:
    usage = PROVIDERS[name].usage(answered)
    assert usage is None or 0 <= usage < 2**31
    try:
        answer = PROVIDERS[name].answer(answered, inputs, space)
    except UpstreamInvalidResponse:
        return
    assert answer.vectors.shape == (inputs, 3)
    assert answer.vectors.dtype == np.float32
    assert np.isfinite(answer.vectors).all()
    assert answer.tokens == usage
    if space.normalised:
        lengths = np.linalg.norm(answer.vectors.astype(np.float64), axis=1)
        assert np.abs(lengths - 1).max() < 1.1e-3


SAID = JSON | st.fixed_dictionaries({"message": st.text() | JSON, "code": JSON})
ERROR_BODIES = BODIES | st.one_of(
    SAID, st.fixed_dictionaries({"error": SAID}), st.fixed_dictionaries({"detail": SAID})
).map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=6) | st.floats().map(str)
)


@settings(max_examples=100)
@given(st.sampled_from(NAMES), st.integers(300, 599), ERROR_BODIES, HEADERS)
def test_whatever_a_server_refuses_with_is_an_error_that_clients_know(
    name: ProviderName, status: int, body: bytes, headers: dict[str, str]
) -> None:
    error = PROVIDERS[name].refusal(response(body, status, headers))
    assert type(error) in TABLE
    assert len(error.message) < OVERLONG
    assert (error.retry_after_s is not None) == isinstance(error, UpstreamUnavailable | UpstreamCold)
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 60
    assert isinstance(error, RefusedByProvider | CallTooLarge) == (status in {400, 413, 422})
    assert isinstance(error, EmbeddingsNotAvailable) == (status == 501)


WAITS: list[tuple[dict[str, str], float]] = [
    ({}, 0),
    ({"retry-after": "3"}, 3),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "3"}, 3),
    ({"retry-after": "86400"}, 60),
    ({"retry-after": "-3"}, 0),
    ({"retry-after": "inf"}, 60),
    ({"retry-after": "nan"}, 0),
    ({"retry-after": "1e999"}, 60),
    ({"retry-after": ""}, 0),
    ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),  # there is no clock here: our own pause serves
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("headers", "wait_s"), WAITS)
def test_a_busy_server_says_how_long_to_wait_and_at_most_a_minute(
    name: ProviderName, headers: dict[str, str], wait_s: float
) -> None:
    assert PROVIDERS[name].refusal(response({}, 429, headers)).retry_after_s == pytest.approx(wait_s)


def saying(name: ProviderName, message: Any, status: int = 400) -> str:
    bodies: dict[ProviderName, object] = {
        "openai": {"error": {"message": message}},
        "tei": {"error": message},
        "titan": {"message": message},
        "cohere": {"message": message},
        "voyage": {"detail": message},
        "jina": {"detail": {"message": message}},
    }
    return PROVIDERS[name].refusal(response(bodies[name], status)).message


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", KEYS)
def test_nothing_that_looks_like_a_key_is_repeated(name: ProviderName, key: str) -> None:
    secret = key.rsplit(maxsplit=1)[-1]
    for around in ("{}", "Wrong key: {}.", "key='{}'", "x" * 290 + " {}", "\n{}\n", "Authorization: {}"):
        for status in (400, 401, 403, 413, 422, 429, 500):
            said = saying(name, around.format(key), status)
            assert secret not in said
            assert secret[:12] not in said


@pytest.mark.parametrize("name", NAMES)
def test_a_reason_is_repeated_to_who_sent_the_input_and_is_not_endless(name: ProviderName) -> None:
    assert "too many tokens" in saying(name, "too many tokens")
    assert len(saying(name, "too many tokens " * 1000)) < OVERLONG


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("message", ["a" * 300_000, "sk" * 150_000, "a " * 150_000 + "sk-", "x" * 300_000 + "sk-"])
def test_what_is_beyond_the_part_of_a_reason_that_is_repeated_is_never_looked_at(
    name: ProviderName, message: str
) -> None:
    assert saying(name, message) == saying(name, message[:300])


SPLIT_IT = ["Payload too large", "Too many inputs.", "exceeds the maximum batch size", "array too long"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("message", SPLIT_IT)
def test_a_refusal_of_the_call_as_too_large_is_no_refusal_of_its_inputs(name: ProviderName, message: str) -> None:
    assert "too large" in saying(name, message)
    assert "too large" not in saying(name, "The input is too long for this model.")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_is_loading_its_model_is_cold(name: ProviderName, status: int) -> None:
    assert "is starting" in saying(name, "Model vendor/small is currently loading", status)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("message", ["", "no", "The engine is currently overloaded, please try again later."])
def test_a_503_that_says_nothing_of_a_start_is_no_cold_one(name: ProviderName, message: str) -> None:
    assert "busy or down" in saying(name, message, 503)


@given(st.lists(st.tuples(st.booleans(), st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=4)), min_size=1))
def test_a_vector_is_the_same_in_base64_and_in_numbers_whatever_stands_beside_it(
    sent: list[tuple[bool, list[float]]],
) -> None:
    def read(rows: list[object]) -> object:
        body = entries(*(row(embedding, index) for index, embedding in enumerate(rows)))
        try:
            return PROVIDERS["openai"].answer(response(body), len(rows), RAW).vectors.tolist()
        except UpstreamInvalidResponse as error:
            return str(error)

    mixed = read([packed(*numbers) if as_base64 else numbers for as_base64, numbers in sent])
    assert mixed == read([numbers for _, numbers in sent]) == read([packed(*numbers) for _, numbers in sent])
