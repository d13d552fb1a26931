"""What has `sam build` made of this checkout? It is run where anything has changed that its artifact is made of."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from typing import TYPE_CHECKING

from tests.e2e.tools import ROOT, SAM, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BUILDS = ROOT / "build" / "sam"


def sam_built() -> Path:
    """The folder that `sam build` left, of the checkout as it is now. All share it: it may be read and copied.

    Raises: AssertionError with the end of what SAM said, where it fails.
    """
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would write the same folder
        return made(BUILDS / "built", sources(ROOT), _sam_build)


def made(folder: Path, of: Iterable[Path], make: Callable[[Path], object]) -> Path:
    """A folder, emptied and filled anew where it was made of other files, or where that did not come to its end."""
    summed = _digest(of)
    stamp = folder.with_name(f"{folder.name}.made-of")
    if not (folder.exists() and stamp.exists() and stamp.read_text() == summed):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        stamp.write_text(summed)
    return folder


def sources(root: Path) -> list[Path]:
    """Every file that decides what `sam build` makes of a checkout: all that it reads, and which SAM it is."""
    read = [path for folder in ("functions", "layers") for path in (root / folder).rglob("*") if path.is_file()]
    told = [root / "template.yaml", *(root / "infra").glob("*.yaml"), root / "samconfig.toml"]
    return [*(path for path in read if "__pycache__" not in path.parts), *told, root / "tests" / "tools" / "sam.txt"]


def _sam_build(into: Path) -> None:
    # SAM's cache looks at a layer's own folder only, so what the Makefiles share is part of the cache's name.
    cache = BUILDS / f"cache-{_digest((ROOT / 'layers').glob('*.*'))[:12]}"
    for other in BUILDS.glob("cache-*"):
        if other != cache:
            shutil.rmtree(other)
    run(SAM, "build", "--build-dir", into, "--cache-dir", cache)


def _digest(files: Iterable[Path]) -> str:
    """A sum over the files' names and contents."""
    each = (f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in sorted(files))
    return hashlib.sha256("".join(each).encode()).hexdigest()
