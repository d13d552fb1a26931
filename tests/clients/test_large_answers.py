"""Does every client get an answer that is too large to be sent, and keep its token from the store where that is kept?

The store refuses whoever brings a token along, as S3 does, so a client that has its vectors has not shown it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.clients.asked import Asked, Refused
from tests.clients.router import REDUCIBLE
from tests.clients.table import CLIENTS, those
from tests.clients.test_vectors import got
from tests.e2e.tools import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.asked import Call
    from tests.clients.router import Router
    from tests.upstream import Upstream

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]

TEXTS = [f"one of very many: {number}" for number in range(2048)]


@those(lambda client: client.most_at_once >= 1000)
def test_every_vector_comes_in_its_place_though_the_answer_is_elsewhere(
    client: Asked, router: Router, provider: Upstream
) -> None:
    count = 2048 if client.client.name == "AI SDK" else 1000
    call: Call = {"model": REDUCIBLE, "input": TEXTS[:count]}
    tenant = f"{client.client.tenant()}-large"
    (vectors,) = got(client, router, call, tenant=tenant)
    assert router.statuses(tenant) == [303]
    if client.client.sends_tokens:
        assert len({row.tobytes() for row in vectors}) == count
        (few,) = got(client, router, {**call, "input": TEXTS[:count:40][::-1]}, tenant=tenant)
        assert np.array_equal(few, vectors[::40][::-1])
    else:
        assert np.array_equal(vectors, np.stack([provider.vector_of(text) for text in TEXTS[:count]]))


@pytest.fixture
def following_java() -> Iterator[Asked]:
    """Java's client, left to follow by itself."""
    java = next(client for client in CLIENTS if client.tool == "java")
    need("clients", "java")
    asked = Asked.start(replace(java, arguments=("NORMAL",)))
    yield asked
    asked.end()
    asked.wait()


def test_java_that_follows_by_itself_shows_its_token_to_the_store_and_is_refused(
    following_java: Asked, router: Router
) -> None:
    call: Call = {"model": REDUCIBLE, "input": TEXTS[:1000]}
    (outcome,) = following_java.outcomes(router.url, router.token("Java-follows"), [call])
    assert isinstance(outcome, Refused)
    assert outcome.status == 400
    assert "Only one auth mechanism allowed" in outcome.message
