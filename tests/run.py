"""Does everything hold? `python -m tests.run check` in about two minutes, `python -m tests.run test` all of it.

A suite whose tool is not on this machine is skipped, and says so in the last lines; with EMBEDGE_REQUIRE_ALL=1 that
is a failure, but for containers: their engine wants root, and what it serves is otherwise tested without one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYTHON_FOLDERS = ("layers/embedge", "functions", "infra", "benchmarks", "tests")

_IN_CONTAINERS = ("SKIPPED sam local: ", "SKIPPED deployed in containers: ")

STATIC: dict[str, tuple[str | Path, ...]] = {
    "format": (BIN / "ruff", "format", "--check", "--quiet", *PYTHON_FOLDERS),
    "lint": (BIN / "ruff", "check", "--quiet", *PYTHON_FOLDERS),
    "types": (BIN / "pyright",),
    "architecture": (BIN / "lint-imports", "--no-cache"),
    "dead code": (BIN / "vulture",),
}


def main(arguments: list[str]) -> int:
    """Run `check` or `test`; return the exit status."""
    if arguments not in (["check"], ["test"]):
        print("usage: python -m tests.run check|test", file=sys.stderr)
        return 2
    failed = [name for name, command in STATIC.items() if not _passes(name, command)]
    quick = arguments == ["check"]
    if not quick and not _passes("tools", ("sh", "tests/tools/setup.sh")):
        print("the tools could not all be had; what needs them is skipped")
    skipped, passed = _pytest(("-m", "not slow") if quick else ())
    if not passed:
        failed.append("tests")
    return _verdict(failed, skipped)


def _passes(name: str, command: tuple[str | Path, ...]) -> bool:
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    passed = done.returncode == 0
    print(f"{'ok  ' if passed else 'FAIL'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
    if not passed:
        print(done.stdout + done.stderr, flush=True)
    return passed


def _pytest(selection: tuple[str, ...]) -> tuple[list[str], bool]:
    """Run pytest; return why tests were skipped, and whether none failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        workers = ("--numprocesses", "2", "--dist", "loadgroup")
        command = (sys.executable, "-m", "pytest", "--quiet", *workers, f"--junit-xml={report}", *selection)
        # Two BLAS threads in each of two workers on two processors make one test take twelve seconds.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        if not report.exists():
            return [], False
        skips = ET.parse(report).iter("skipped")  # noqa: S314 (our own file)
        return sorted({skip.get("message") or "" for skip in skips}), passed


def _verdict(failed: list[str], skipped: list[str]) -> int:
    for reason in skipped:
        print(reason if reason.startswith("SKIPPED ") else f"SKIPPED {reason}")
    if failed:
        print(f"FAILED {', '.join(failed)}")
        return 1
    required = [reason for reason in skipped if not reason.startswith(_IN_CONTAINERS)]
    if required and os.environ.get("EMBEDGE_REQUIRE_ALL") == "1":
        print("FAILED: EMBEDGE_REQUIRE_ALL=1 and something was skipped")
        return 1
    print("all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
