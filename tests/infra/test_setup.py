"""Does `.venv` hold what the locks say, whatever happened to it? Tried with a python and a uv that only take notes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("python3", "python3.13", "python3.12", "python3.11")
LOCKS = (
    "layers/dependencies/requirements.txt",
    "infra/local/requirements.txt",
    "infra/local/model.txt",
    "infra/local/uv.txt",
    "layers/dependencies/ranks.txt",
    "tests/requirements.txt",
)
RANKS = "layers/dependencies/ranks.sh"

# Makes an environment of two scripts: itself, and a uv that notes how it was called.
PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>notes ;;
*"-m pip"*) echo pip >>notes && printf '#!/bin/sh\\necho "$@" >>notes\\n' >.venv/bin/uv && chmod +x .venv/bin/uv ;;
*) exec "{real}" "$@" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Tree:
    root: Path

    def python(self, script: str) -> None:
        for name in NAMES:
            command = self.root / "bin" / name
            command.write_text(script)
            command.chmod(0o755)

    def setup(self, what: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.root / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        command = ["/bin/sh", "infra/local/setup.sh", what]
        return subprocess.run(
            command, cwd=self.root, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=20
        )

    def notes(self, what: str) -> list[str]:
        """What a setup that must succeed called."""
        (self.root / "notes").write_text("")
        done = self.setup(what)
        assert done.returncode == 0, done.stderr
        return (self.root / "notes").read_text().splitlines()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in (*LOCKS, "infra/local/setup.sh", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "layers/dependencies/ranks.sh").write_text('echo ranks "$2" >>notes\n')
    made = Tree(tmp_path)
    made.python(PYTHON.replace("{real}", sys.executable))
    return made


def test_every_lock_is_installed_by_its_hashes_and_nothing_else_is(tree: Tree) -> None:
    venv, pip, locks, project, ranks = tree.notes("run")
    assert (venv, pip) == ("venv", "pip")
    assert all(f"--requirement {lock}" in locks for lock in LOCKS[:3])
    assert "--require-hashes" in locks
    assert "--no-deps" in locks
    assert "tests/requirements.txt" not in locks
    assert "--editable ." in project
    assert ranks == f"ranks {get_path('purelib')}"  # of the environment, which is not the Python that it was made by


def test_the_second_time_nothing_is_called(tree: Tree) -> None:
    tree.notes("run")
    assert tree.notes("run") == []


def test_run_and_test_add_to_one_another(tree: Tree) -> None:
    tree.notes("run")
    assert "tests/requirements.txt" in tree.notes("test")[1]
    assert tree.notes("run") == tree.notes("test") == []


def test_a_changed_lock_is_installed_into_the_environment_that_is_there(tree: Tree) -> None:
    tree.notes("run")
    with (tree.root / LOCKS[0]).open("a") as lock:
        lock.write("# changed\n")
    assert [note.partition(" ")[0] for note in tree.notes("run")] == ["pip", "pip", "pip", "ranks"]


def test_an_interrupted_installation_is_made_anew(tree: Tree) -> None:
    tree.notes("run")
    with subprocess.Popen(["/bin/true"]) as dead:
        dead.wait()
    (tree.root / ".venv/.embedge-run").unlink()
    (tree.root / ".venv/.embedge-installing").write_text(str(dead.pid))
    assert tree.notes("run")[0] == "venv"
    assert not (tree.root / ".venv/.embedge-installing").exists()


def test_a_failed_installation_says_so_and_is_made_anew(tree: Tree) -> None:
    tree.python(PYTHON.replace("{real}", sys.executable).replace("echo pip", "false"))
    failed = tree.setup("run")
    assert failed.returncode != 0
    assert "failed" in failed.stderr
    tree.python(PYTHON.replace("{real}", sys.executable))
    assert tree.notes("run")[0] == "venv"


def test_an_environment_whose_python_vanished_is_made_anew(tree: Tree) -> None:
    tree.notes("run")
    (tree.root / ".venv/bin/python").unlink()
    (tree.root / ".venv/bin/python").symlink_to(tree.root / "gone")
    assert tree.notes("run")[0] == "venv"


def test_a_python_without_venv_is_named_with_its_debian_package_in_one_line(tree: Tree) -> None:
    tree.python(f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n')
    refused = tree.setup("run")
    minor = f"python3.{sys.version_info.minor}"
    assert refused.returncode != 0
    assert refused.stderr == f"embedge: {minor} is here without its venv module: apt install {minor}-venv\n"


@pytest.mark.parametrize("status", [1, 127])
def test_no_python_that_is_new_enough_is_one_line_too(tree: Tree, status: int) -> None:
    tree.python(f"#!/bin/sh\nexit {status}\n")
    refused = tree.setup("run")
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    assert "3.11 or newer" in refused.stderr


def test_no_committed_lock_names_a_registry() -> None:
    for name in (*LOCKS, "pyproject.toml", "Makefile", "infra/local/setup.sh", "infra/local/lock.sh", RANKS):
        assert "://" not in (ROOT / name).read_text(), name
    for lock in (ROOT / "tests/tools").glob("*.txt"):
        assert "://" not in lock.read_text(), lock
    assert '"resolved"' not in (ROOT / "tests/tools/node/package-lock.json").read_text()
