"""Is what the benchmarks measure what `sam build` left of this checkout, and not something older or something else?"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.function.artifact import build
from benchmarks.function.asked import FIRST
from benchmarks.function.emulator import start
from benchmarks.function.sides import both
from tests.e2e.sam_build import made, sam_built, sources
from tests.e2e.tools import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = (
    "template.yaml",
    "samconfig.toml",
    "infra/storage.yaml",
    "tests/tools/sam.txt",
    "functions/api/Makefile",
    "functions/api/app.py",
    "layers/bytecode.mk",
    "layers/dependencies/requirements.txt",
    "layers/embedge/embedge/adapters/amazon_roots.pem",
    "layers/embedge/embedge/core/new.py",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("changed", SOURCES)
def test_it_is_built_again_when_any_file_changes_that_it_is_made_of(checkout: Path, changed: str) -> None:
    made(checkout / "built", sources(checkout), lambda into: (into / "old").touch())
    (checkout / changed).write_text("other")
    made(checkout / "built", sources(checkout), lambda into: (into / "new").touch())
    assert [path.name for path in (checkout / "built").iterdir()] == ["new"]


def test_it_is_not_built_again_while_nothing_changes(checkout: Path) -> None:
    made(checkout / "built", sources(checkout), lambda into: (into / "old").touch())
    (checkout / "functions/api/__pycache__").mkdir()
    (checkout / "functions/api/__pycache__/app.pyc").touch()
    made(checkout / "built", sources(checkout), lambda into: (into / "new").touch())
    assert [path.name for path in (checkout / "built").iterdir()] == ["old"]


def test_what_was_cut_off_while_it_was_built_is_never_taken_for_built(checkout: Path) -> None:
    def cut_off(into: Path) -> None:
        (into / "half").touch()
        raise KeyboardInterrupt

    made(checkout / "built", sources(checkout), Path.touch)
    (checkout / "template.yaml").write_text("other")
    with pytest.raises(KeyboardInterrupt):
        made(checkout / "built", sources(checkout), cut_off)
    (checkout / "template.yaml").write_text("template.yaml")
    made(checkout / "built", sources(checkout), lambda into: (into / "whole").touch())
    assert [path.name for path in (checkout / "built").iterdir()] == ["whole"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("built")
def test_every_file_of_ours_in_it_is_this_checkouts() -> None:
    need("bench-cold", "python3.13", "sam")
    package = _contents(ROOT / "layers/embedge/embedge")
    shipped = {name: content for name, content in package.items() if not name.startswith("cli/")}
    layer = _contents(sam_built() / "EmbedgeLayer/python/embedge")
    assert layer == {**shipped, "dataclasses.bin": layer["dataclasses.bin"]}
    assert _contents(sam_built() / "ApiFunction")["app.py"] == (ROOT / "functions/api/app.py").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("built")
def test_a_start_that_is_measured_loads_its_modules_from_it_alone_and_adds_nothing_to_it() -> None:
    need("bench-cold", "python3.13", "sam", "runtime")
    artifact = build()
    before = set(sam_built().rglob("*"))
    with both(artifact) as (ours, _, _, logs):
        verbose = replace(ours.program, variables={**ours.program.variables, "PYTHONVERBOSE": "1"})
        start(verbose, [ours.events["known"](FIRST.body())], logs)
        said = (logs / "emulator.log").read_text(errors="replace")
    paths = map(Path, re.findall(r"^# code object from '?(/[^'\n]+)", said, re.MULTILINE))
    loaded = [path for path in paths if path.is_relative_to(ROOT) and not path.is_relative_to(artifact.ours[-1])]
    folders = [sam_built() / name for name in ("ApiFunction", "DependenciesLayer/python", "EmbedgeLayer/python")]
    assert {next((one for one in folders if path.is_relative_to(one)), path) for path in loaded} == set(folders)
    assert set(sam_built().rglob("*")) == before  # bytecode that it lacks would be missing where it is deployed


def _contents(folder: Path) -> Mapping[str, bytes]:
    """Every file below, but bytecode, by its path from there."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
