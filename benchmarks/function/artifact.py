"""What is deployed, and what would be of the naive function? Both are built here, each once for what it is made of.

Ours comes from the Makefiles that `sam build` runs. The naive one has the same packages at the same versions, as pip
installs them, with their bytecode: `sam build` ships none, and a start without it takes two to three times as long.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_Make = Callable[[Path], None]
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
    _run("sh", "tests/tools/setup.sh", "runtime")
    python = Path(_run("sh", "layers/python313.sh").strip())
    recipes = [*_DEPENDENCIES.iterdir(), *(ROOT / "layers").glob("*.*")]
    dependencies = _made("dependencies", recipes, _layer("dependencies", "DependenciesLayer")) / "python"
    package = (
        _made("package", (ROOT / "layers" / "embedge").rglob("*.py"), _layer("embedge", "EmbedgeLayer")) / "python"
    )
    ours = _made("ours", (ROOT / "functions" / "api").iterdir(), _function)
    packages = _made("naive-packages", recipes, _as_pip_does(python)) / "python"
    naive = _made("naive", (ROOT / "benchmarks" / "naive").glob("*.py"), _naive(python))
    return Built(python, (ours, dependencies, package, _RUNTIME), (naive, packages, _RUNTIME))


def _layer(folder: str, name: str) -> _Make:
    def make(into: Path) -> None:
        _run("make", "-s", "-C", f"layers/{folder}", f"build-{name}", f"ARTIFACTS_DIR={into}")

    return make


def _function(into: Path) -> None:
    _run("make", "-s", "-C", "functions/api", "build-ApiFunction", f"ARTIFACTS_DIR={into}")


def _as_pip_does(python: Path) -> _Make:
    def install(into: Path) -> None:
        _run("make", "-s", "-C", "layers/dependencies", "install", "MACHINE=x86_64", f"ARTIFACTS_DIR={into}")
        _compile(python, into)

    return install


def _naive(python: Path) -> _Make:
    def copy(into: Path) -> None:
        shutil.copy(ROOT / "benchmarks" / "naive" / "app.py", into)
        _compile(python, into)

    return copy


def _compile(python: Path, folder: Path) -> None:
    # The grammars of other Pythons that some packages test with cannot be compiled, and nobody imports them.
    subprocess.run([python, "-m", "compileall", "-q", "-q", folder], check=False)  # noqa: S603


def _made(name: str, sources: Iterable[Path], make: _Make) -> Path:
    """Return a folder, made anew where it was made of something else."""
    summed = hashlib.sha256()
    for source in sorted(path for path in sources if path.is_file()):
        summed.update(str(source).encode() + b"\0" + source.read_bytes())
    folder = _BUILT / name
    stamp = folder / ".made-of"
    if not stamp.exists() or stamp.read_text() != summed.hexdigest():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        stamp.write_text(summed.hexdigest())
    return folder


def _run(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ, check=False)  # noqa: S603
    if ran.returncode:
        raise SystemExit(f"bench: {' '.join(command)} failed")
    return ran.stdout
