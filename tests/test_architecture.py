"""Does the build go red where somebody imports what must not be imported? Each rule is broken once, in a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import embedge

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PLANTED = [
    ("core/routing.py", "import time", "Decisions are pure"),
    ("core/batching.py", "from embedge.providers.base import Answer", "Dependencies point inwards"),
    ("providers/openai.py", "import httpx", "Decisions are pure"),
    ("providers/tei.py", "from embedge.providers.openai import OpenAI", "Providers do not know each other"),
    ("embed.py", "from embedge.adapters.cache_dynamodb import DynamoDbCache", "Only bootstrap chooses adapters"),
    ("embed.py", "import fastapi", "The way is free of frameworks and clouds"),
    ("verification.py", "import httpx", "The way is free of frameworks and clouds"),
    (
        "adapters/clock_system.py",
        "from embedge.embed import embed",
        "Adapters fulfil ports and know nothing of the way",
    ),
    (
        "adapters/clock_system.py",
        "from embedge.services import Services",
        "Adapters fulfil ports and know nothing of the way",
    ),
    (
        "adapters/clock_system.py",
        "from embedge.providers.base import Answer",
        "Adapters fulfil ports and know nothing of the way",
    ),
    (
        "bootstrap/state.py",
        "from embedge.bootstrap.operating import Operation",
        "No start of the API pays for its operators",
    ),
    ("api/app.py", "from embedge.cli.program import main", "Dependencies point inwards"),
    ("core/request.py", "from embedge.core.wanted import Wanted", "No cycles"),
    ("new_package/__init__.py", "", "Dependencies point inwards"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of the package, and of what is said about its architecture."""
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(embedge.__file__).parent, tmp_path / "embedge", ignore=without_caches)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path)


def lint(folder: Path) -> tuple[int, str]:
    """Return the status of lint-imports and the part of its report in which each rule has its line."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, " ".join(done.stdout.split()) + done.stderr


def test_the_package_as_it_is_keeps_every_rule(copy: Path) -> None:
    status, report = lint(copy)
    assert status == 0, report
    assert "0 broken" in report


@pytest.mark.parametrize(("file", "line", "rule"), PLANTED)
def test_an_import_that_breaks_a_rule_makes_the_build_red(copy: Path, file: str, line: str, rule: str) -> None:
    module = copy / "embedge" / file
    module.parent.mkdir(exist_ok=True)
    before = module.read_text(encoding="utf-8") if module.exists() else '"""Planted."""\n'
    module.write_text(f"{before}\n{line}\n", encoding="utf-8")
    status, report = lint(copy)
    assert status == 1, report
    assert f"{rule} BROKEN" in report, report
