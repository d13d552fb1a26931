"""Does the model on numpy give the vectors that the published model gives?"""

from __future__ import annotations

import math
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.minilm import InputTooLong, MiniLM
from infra.local.minilm_layers import Floats, gelu
from infra.local.model_files import MAX_TOKENS, weights

# The first and last three components, by transformers' BertModel on torch 2.13 from the same weights.
PUBLISHED = {
    "The cat sits on the mat.": (0.13417712, -0.03290034, -0.02480371, 0.05107002, 0.02030217, 0.06012185),
    "naïve CAFÉ — 日本語, 🙂!": (-0.01031353, 0.01368404, 0.06840728, 0.03200374, -0.05917839, -0.04427874),
    "Refunds are paid within fourteen days of the returned goods' arrival.": (
        -0.05366005, 0.07023399, 0.088774, -0.04406527, -0.00580632, -0.01117602,
    ),
    "a": (-0.03643287, 0.03470345, -0.0459599, 0.04639659, -0.00478114, 0.09428654),
}  # fmt: skip

TEXT = "the of budget router cat vector weather fish quickly paid embedding returns 42 naïve , . zyzzyva"


@cache
def loaded() -> MiniLM:
    """Hypothesis takes no fixture, so the model is kept here."""
    return MiniLM.load(weights())


@pytest.fixture
def model() -> MiniLM:
    return loaded()


def passages(count: int, words: tuple[int, int], seed: int = 7) -> list[str]:
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(TEXT.split(), k=chosen.randint(*words))) for _ in range(count)]


def cosine(model: MiniLM, one: str, other: str) -> float:
    left, right = model.embed([one, other])
    return float(left @ right)


def test_vectors_are_those_of_the_published_model(model: MiniLM) -> None:
    vectors = model.embed(list(PUBLISHED))
    assert vectors.shape == (len(PUBLISHED), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[:, [0, 1, 2, -3, -2, -1]], list(PUBLISHED.values()), rtol=0, atol=1e-6)


def test_every_vector_is_a_unit_vector(model: MiniLM) -> None:
    norms = np.linalg.norm(model.embed(passages(12, (1, 60))), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=0, atol=1e-6)


def test_paraphrases_are_near_and_unrelated_texts_are_far(model: MiniLM) -> None:
    text = "How long does it take until I get my money back?"
    assert cosine(model, text, "When will my refund arrive?") > 0.6
    assert abs(cosine(model, text, "Volcanoes form above subducting plates.")) < 0.15


def test_a_vector_does_not_depend_on_its_companions(model: MiniLM) -> None:
    texts = passages(24, (1, 60))
    together = model.embed(texts)
    alone = np.vstack([model.embed([text]) for text in texts[::6]])
    np.testing.assert_allclose(together[::6], alone, rtol=0, atol=5e-7)


def test_row_i_belongs_to_input_i_whatever_the_order(model: MiniLM) -> None:
    texts = passages(20, (1, 40))
    order = random.Random(1).sample(range(20), 20)
    shuffled = model.embed([texts[index] for index in order])
    np.testing.assert_allclose(shuffled, model.embed(texts)[order], rtol=0, atol=5e-7)


def test_the_same_text_gives_the_same_vector(model: MiniLM) -> None:
    one, other = model.embed(["the cat", "the cat"])
    assert np.array_equal(one, other)


def test_no_input_gives_no_row(model: MiniLM) -> None:
    assert model.embed([]).shape == (0, 384)


def test_tokens_count_the_two_special_ones(model: MiniLM) -> None:
    assert model.tokens("") == 2
    assert model.tokens("the cat sits") == 5


def test_the_longest_input_is_read_to_its_end(model: MiniLM) -> None:
    longest = "cat " * (MAX_TOKENS - 3)
    assert model.tokens(longest + "fish") == MAX_TOKENS
    assert cosine(model, longest + "fish", longest + "budget") < 0.9999


def test_one_token_more_is_refused_by_its_index(model: MiniLM) -> None:
    with pytest.raises(InputTooLong) as refused:
        model.embed(["fine", "cat " * (MAX_TOKENS - 1), "cat " * 900])
    assert (refused.value.index, refused.value.tokens, refused.value.maximum) == (1, 257, 256)
    assert "cat" not in str(refused.value)


def test_gelu_is_exact_to_the_rounding_of_float32() -> None:
    values = np.concatenate([np.linspace(-40, 40, 80_001), np.linspace(-0.01, 0.01, 2001), [-1e4, 1e4]])
    x = values.astype(np.float32).reshape(1, -1)
    exact = np.array([float(v) * 0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x[0]])
    result = x.copy()
    gelu(result, np.zeros(x.shape[1], np.float32))
    assert np.max(np.abs(result[0] - exact) / np.maximum(1, np.abs(exact))) < 2e-7


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_text_gives_a_finite_unit_vector(texts: list[str]) -> None:
    vectors = loaded().embed(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=0, atol=1e-6)


def test_a_batch_is_multiplied_in_few_pieces_and_without_padding(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = passages(40, (2, 50))
    tokens, longest = sum(map(model.tokens, texts)), max(map(model.tokens, texts))
    matmul, multiplied = np.matmul, list[tuple[int, int]]()

    def counted(x: Floats, weight: Floats, *, out: Floats) -> Floats:
        multiplied.append((len(x), weight.size))
        return matmul(x, weight, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    model.embed(texts)
    # Queries, keys and values, what attention gives, and twice a width of four: the matrices of six layers.
    assert sum(rows * size for rows, size in multiplied) == tokens * 6 * (3 + 1 + 2 * 4) * 384**2
    pieces = -(-tokens // (1024 - longest))  # as few as hold 1024 tokens each, when no text is cut
    assert len(multiplied) <= pieces * 6 * 4
