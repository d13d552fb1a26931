"""Does every client get the vectors of its texts, in their order, whatever form it asks for them in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.clients.router import MINILM, REDUCIBLE
from tests.clients.table import those

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.clients.asked import Asked, Call
    from tests.clients.router import Router
    from tests.upstream import Upstream

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

TEXTS = [
    "The ledger decides first.",
    "Vectors of two spaces never mix.",
    "The ledger decides first.",
    "naïve Ω 日本語 🙂",
]


def got(client: Asked, router: Router, *calls: Call, tenant: str = "") -> list[NDArray[np.float32]]:
    """The vectors of these calls, sent at once by a tenant that is this client's own unless it is named."""
    key = router.token(tenant or client.client.tenant())
    outcomes = client.outcomes(router.url, key, calls)
    answered = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
    assert len(answered) == len(calls), outcomes
    return answered


def test_a_client_asks_as_the_contract_says_that_it_does(client: Asked, provider: Upstream) -> None:
    heard = len(provider.bodies)
    (outcome,) = client.outcomes(f"{provider.url}/v1", "any", [{"model": REDUCIBLE, "input": ["two", "texts"]}])
    (body,) = provider.bodies[heard:]
    assert isinstance(outcome, np.ndarray), outcome
    assert body.get("encoding_format") == client.client.asks_for
    assert isinstance(body["input"][0], list) == client.client.sends_tokens


def test_a_batch_s_vectors_are_those_of_its_texts_one_by_one(client: Asked, router: Router) -> None:
    (fresh,) = got(client, router, {"model": MINILM, "input": TEXTS})
    one_by_one: list[Call] = [{"model": MINILM, "input": text} for text in TEXTS]
    alone = got(client, router, *one_by_one)
    (again,) = got(client, router, {"model": MINILM, "input": TEXTS[::-1]})
    assert np.array_equal(fresh[0], fresh[2])
    assert not np.array_equal(fresh[0], fresh[1])
    assert np.array_equal(np.concatenate(alone), fresh)  # hits, to the last bit
    assert np.array_equal(again, fresh[::-1])
    (elsewhere,) = got(client, router, {"model": MINILM, "input": TEXTS[1]}, tenant="nobody-s-batch")
    assert np.allclose(elsewhere[0], fresh[1], atol=1e-6)  # embedded in other company


@those(lambda client: not client.sends_tokens)  # what vectors tokens have is not known here
def test_each_input_gets_its_own_vector(client: Asked, router: Router, provider: Upstream) -> None:
    texts = [f"{number} of many" for number in range(300)]
    (vectors,) = got(client, router, {"model": REDUCIBLE, "input": texts})
    assert np.array_equal(vectors, np.stack([provider.vector_of(text) for text in texts]))


@those(lambda client: client.passes_on)
def test_floats_are_base64(client: Asked, router: Router) -> None:
    for model in (MINILM, REDUCIBLE):
        call: Call = {"model": model, "input": TEXTS}
        floats, base64 = got(
            client, router, {**call, "encoding_format": "float"}, {**call, "encoding_format": "base64"}, tenant="both"
        )
        (either,) = got(client, router, call, tenant="both")
        assert np.array_equal(either, floats)
        assert np.array_equal(either, base64)


def test_smaller_dimensions_are_the_vector_cut_and_made_one_long(client: Asked, router: Router) -> None:
    call: Call = {"model": REDUCIBLE, "input": TEXTS}
    (whole,) = got(client, router, call)
    (cut,) = got(client, router, {**call, "dimensions": 256})
    expected = whole[:, :256].astype(np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert cut.shape == (len(TEXTS), 256)
    assert np.allclose(cut, expected, atol=1e-7)


@those(lambda client: client.passes_on)
def test_token_arrays_are_taken(client: Asked, router: Router, provider: Upstream) -> None:
    one, two = [9906, 11, 1917], [15339]
    alone, batch = got(client, router, {"model": REDUCIBLE, "input": one}, {"model": REDUCIBLE, "input": [two, one]})
    assert np.array_equal(alone, np.stack([provider.vector_of(one)]))
    assert np.array_equal(batch, np.stack([provider.vector_of(two), provider.vector_of(one)]))


def test_fifty_at_once_each_get_their_own(client: Asked, router: Router, provider: Upstream) -> None:
    texts = [f"{number} of fifty" for number in range(50)]
    calls: list[Call] = [{"model": REDUCIBLE, "input": [text, "shared by all"]} for text in texts]
    answers = got(client, router, *calls)
    again = got(client, router, *calls[::-1])
    assert np.array_equal(np.stack(again[::-1]), np.stack(answers))
    assert len({answer[0].tobytes() for answer in answers}) == len(texts)
    assert len({answer[1].tobytes() for answer in answers}) == 1
    if not client.client.sends_tokens:
        assert np.array_equal([answer[0] for answer in answers], [provider.vector_of(text) for text in texts])
