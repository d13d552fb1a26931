"""Is what is kept sent as it is, where it is what was asked for?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typing_extensions import override

from embedge.api.answer_body import parts
from embedge.core.assembly import Embedded
from embedge.core.vector_codec import StoredVector, decode_all, encode

if TYPE_CHECKING:
    from embedge.core.request import Encoding
    from embedge.core.vector_codec import FloatVector


FINITE = st.floats(-1024, 1024, width=32)


class Undecodable(StoredVector):
    """A vector whose numbers nobody may look at."""

    @override
    def floats(self) -> FloatVector:
        raise AssertionError("decoded")


def test_a_base64_hit_of_full_size_is_answered_without_decoding_a_single_vector() -> None:
    stored = [encode(bytes([n]) * 32, np.full(8, n, np.float32), 1, estimated=False) for n in range(3)]
    kept = tuple(Undecodable(one.head, one.body, 8, 1, tokens_estimated=False) for one in stored)
    whole = Embedded("small", "base64", 8, kept, 3, 3, 0, (), 0, ())
    rows = json.loads(b"".join(parts(whole)))["data"]
    assert [row["embedding"] for row in rows] == [bytes(one.base64()).decode() for one in stored]
    for other in (replace(whole, encoding="float"), replace(whole, dimensions=4)):
        with pytest.raises(AssertionError, match="decoded"):
            parts(other)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=6), st.sampled_from(("base64", "float")), st.sampled_from((5, 3))
)
def test_one_answer_may_have_vectors_of_every_form(forms: list[int], encoding: Encoding, dimensions: int) -> None:
    fresh = encode(bytes(32), np.array([0, 1, 2, 3, 0.5], np.float32), 1, estimated=False)
    found: dict[bytes, StoredVector] = {}
    as_text = memoryview(fresh.encoded or b"")
    assert decode_all([(bytes(32), fresh.head, as_text, 7)], 5, 6, found) == 0
    every = (fresh, found[bytes(32)], fresh.alone())
    written = [
        b"".join(parts(Embedded("m", encoding, dimensions, tuple(vectors), 1, 1, 0, (), 0, ())))
        for vectors in ([every[form] for form in forms], [fresh] * len(forms))
    ]
    assert written[0] == written[1]


@given(
    st.lists(hnp.arrays(np.float32, 5, elements=FINITE), min_size=1, max_size=4),
    st.sampled_from(("base64", "float")),
    st.sampled_from((5, 3)),
)
def test_every_second_part_is_a_vector_without_a_quote_or_a_backslash(
    vectors: list[FloatVector], encoding: Encoding, dimensions: int
) -> None:
    kept = tuple(encode(bytes(32), vector, 1, estimated=False) for vector in vectors)
    written = parts(Embedded("m", encoding, dimensions, kept, 1, 1, 0, (), 0, ()))
    assert len(written) == 2 * len(vectors) + 1
    assert not any(sign in part for part in written[1::2] for sign in (b'"', b"\\"))
    rows = json.loads(b"".join(written))["data"]
    quote = b'"' if encoding == "base64" else b""
    assert [row["embedding"] for row in rows] == [json.loads(quote + part + quote) for part in written[1::2]]
