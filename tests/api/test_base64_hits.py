"""Is what is kept sent as it is, where it is what was asked for?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typing_extensions import override

from embedge.api.answer_body import body
from embedge.core.assembly import Embedded
from embedge.core.vector_codec import StoredVector, encode

if TYPE_CHECKING:
    from embedge.core.vector_codec import FloatVector


class Undecodable(StoredVector):
    """A vector whose numbers nobody may look at."""

    @override
    def floats(self) -> FloatVector:
        raise AssertionError("decoded")


def test_a_base64_hit_of_full_size_is_answered_without_decoding_a_single_vector() -> None:
    stored = [encode(bytes([n]) * 32, np.full(8, n, np.float32), 1, estimated=False) for n in range(3)]
    kept = tuple(Undecodable(one.value, 8, 1, tokens_estimated=False) for one in stored)
    whole = Embedded("small", "base64", 8, kept, 3, 3, 0, (), 0, ())
    rows = json.loads(body(whole))["data"]
    assert [row["embedding"] for row in rows] == [one.base64().decode() for one in stored]
    for other in (replace(whole, encoding="float"), replace(whole, dimensions=4)):
        with pytest.raises(AssertionError, match="decoded"):
            body(other)
