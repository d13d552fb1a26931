"""Is what the benchmark compares with what it says: paragraphs as they stand, and the best there is?"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.passages import parse_copyright
from benchmarks.policies import foresight
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND
from embedge.core.cache_outlook import Terms
from embedge.core.cache_replay import Asked, replay

if TYPE_CHECKING:
    from embedge.core.route import Admit


def test_a_copyright_file_is_its_paragraphs() -> None:
    text = "Files: *\nLicense: MIT\n .\n Permission is\n granted.\n\n\nNo warranty.\n"
    assert parse_copyright("x", text).paragraphs == ("Files: * License: MIT", "Permission is granted.", "No warranty.")


@pytest.mark.parametrize("admit", ["always", "never", "second_sight", "economic"])
@pytest.mark.parametrize("tokens", [10, 200, 3_000])
def test_no_policy_is_cheaper_than_foresight(admit: Admit, tokens: int) -> None:
    names = np.random.default_rng(tokens).zipf(1.3, 2_000)
    keys = [hashlib.sha256(str(name).encode()).digest() for name in names]
    asked = [Asked(float(at), "acme", key, tokens, 4 * tokens) for at, key in enumerate(keys)]
    terms = Terms(admit, 20_000_000, 1536, "f32", 86_400)
    assert replay(asked, terms, DYNAMODB_ON_DEMAND).net_nano_usd() >= foresight(asked, terms) * 0.999
