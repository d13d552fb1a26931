"""What is deployed, and what would be of the naive function? Both are built here, each once for what it is made of.

Ours is what `sam build` left. The naive one has the same packages at the same versions, as pip installs them, with
their bytecode: `sam build` ships none of its own accord, and a start without it takes two to three times as long.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.e2e.sam_build import made, sam_built

ROOT = Path(__file__).parents[2]
_BUILT = ROOT / "build" / "function"
_DEPENDENCIES = ROOT / "layers" / "dependencies"
_RUNTIME = ROOT / ".tools" / "runtime" / "lib" / "python3.13" / "site-packages"


@dataclass(frozen=True, slots=True)
class Built:
    """Python 3.13, and the folders that each function is imported from, in order; Lambda's runtime client is last."""

    python: Path
    ours: tuple[Path, ...]
    naive: tuple[Path, ...]


def build() -> Built:
    """Build what has changed. Raises: SystemExit where that fails, after what failed has said why."""
    _run("sh", "tests/tools/setup.sh", "sam", "runtime")
    python = Path(_run("sh", "layers/python313.sh").strip())
    _compile(python, _RUNTIME)  # Lambda's own is compiled, and no function that is measured writes anything
    recipes = [path for path in (*_DEPENDENCIES.iterdir(), *(ROOT / "layers").glob("*.*")) if path.is_file()]
    packages = made(_BUILT / "naive-packages", recipes, _as_pip_does(python)) / "python"
    naive = made(_BUILT / "naive", (ROOT / "benchmarks" / "naive").glob("*.py"), _naive(python))
    return Built(python, (*deployed_folders(sam_built()), _RUNTIME), (naive, packages, _RUNTIME))


def deployed_folders(built: Path) -> tuple[Path, Path, Path]:
    """Return where the template that `sam build` left has the api function's code, and its two layers for x86_64."""
    resources = yaml.safe_load((built / "template.yaml").read_text())["Resources"]
    layers = (resources[name]["Properties"]["ContentUri"] for name in ("DependenciesLayer", "EmbedgeLayer"))
    dependencies, package = (built / layer / "python" for layer in layers)
    return built / resources["ApiFunction"]["Properties"]["CodeUri"], dependencies, package


def _as_pip_does(python: Path) -> Callable[[Path], None]:
    def install(into: Path) -> None:
        _run("make", "-s", "-C", "layers/dependencies", "install", "MACHINE=x86_64", f"ARTIFACTS_DIR={into}")
        _compile(python, into)

    return install


def _naive(python: Path) -> Callable[[Path], None]:
    def copy(into: Path) -> None:
        shutil.copy(ROOT / "benchmarks" / "naive" / "app.py", into)
        _compile(python, into)

    return copy


def _compile(python: Path, folder: Path) -> None:
    # The grammars of other Pythons that some packages test with cannot be compiled, and nobody imports them.
    subprocess.run([python, "-m", "compileall", "-q", "-q", folder], check=False)  # noqa: S603


def _run(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ, check=False)  # noqa: S603
    if ran.returncode:
        raise SystemExit(f"bench: {' '.join(command)} failed")
    return ran.stdout
