"""Are the pictures of growth drawn where the numbers are, and is each kind measured?"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from benchmarks.growth.bench import KINDS
from benchmarks.growth.chart import Panel, draw
from benchmarks.stub_upstream import stub_upstream
from tests.e2e.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_proportional_is_a_straight_line_from_corner_to_corner(tmp_path: Path) -> None:
    draw([Panel("growth", "size", {"linear": [(10**n, 10**n) for n in range(6)]})], tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png").convert("RGB")
    green = (0x2A, 0x7F, 0x62)
    # Both axes go from 1 to 100,000: x from 74 to 540, y from 322 up to 70.
    for power in range(6):
        place = (round(74 + power * (540 - 74) / 5), round(322 - power * (322 - 70) / 5))
        assert picture.getpixel(place) == green


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_smallest_of_each_kind_is_measured(tmp_path: Path, kind: str) -> None:
    with stub_upstream() as port:
        command = [sys.executable, "-m", "benchmarks.growth.cases", kind, str(KINDS[kind].sizes[0]), str(port)]
        done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured.keys() == {"cold_ms", "warm_ms", "memory_mb"}
    assert measured["cold_ms"] > 0
