"""Is an answer that is written into a string of JSON, as Lambda wants it, the answer?"""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.api import answer_body
from embedge.api.answer import Answer
from embedge.core.assembly import Embedded
from embedge.core.gcra import Tier
from embedge.core.request import Encoding
from embedge.core.vector_codec import StoredVector, encode

VECTORS = tuple(encode(bytes([n]) * 32, np.full(6, n / 7, np.float32), 1, estimated=False) for n in range(5))


@given(
    model=st.text(),
    encoding=st.sampled_from(["base64", "float"]),
    vectors=st.lists(st.sampled_from(VECTORS), min_size=1, max_size=20),
    dimensions=st.sampled_from([6, 3]),
    tier=st.sampled_from([None, "default", "flex"]),
)
def test_it_is_to_the_last_character(
    model: str, encoding: Encoding, vectors: list[StoredVector], dimensions: int, tier: Tier | None
) -> None:
    count = len(vectors)
    embedded = Embedded(model, encoding, dimensions, tuple(vectors), count, count, 0, (), 0, (), tier)
    pieces = answer_body.parts(embedded)
    answer = Answer(200, {}, pieces, answer_body.in_json(embedded, pieces), answer_body.size_bytes(embedded, pieces))
    assert answer.size_bytes == Answer(200, {}, pieces).size_bytes == len(answer.body())
    assert json.loads(b'"%b"' % b"".join(answer.in_json())) == answer.body().decode()
    assert Answer(200, {}, (answer.body(),)).in_json() == [b"".join(answer.in_json())]
    assert [row["index"] for row in json.loads(answer.body())["data"]] == list(range(count))
    assert json.loads(answer.body())["model"] == model


@pytest.mark.parametrize("count", [1, 2, 3, 4, 255, 256, 257, 2048])
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_every_vector_has_its_place_however_many_there_are(count: int, encoding: Encoding) -> None:
    embedded = Embedded("m", encoding, 6, VECTORS[:1] * count, count, count, 0, (), 0, ())
    pieces = answer_body.parts(embedded)
    written = json.loads(json.loads(b'"%b"' % b"".join(answer_body.in_json(embedded, pieces))))
    assert [row["index"] for row in written["data"]] == list(range(count))
