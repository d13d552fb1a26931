"""Which of the tools that tests need are here, how are they run, and what is said where one is missing?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".tools/sam/bin/sam"
CFN_LINT = ROOT / ".tools/sam/bin/cfn-lint"
SAM_PYTHON = ROOT / ".tools/sam/bin/python"
CHECKOV = ROOT / ".tools/checkov/bin/checkov"
SCHEMATHESIS = ROOT / ".tools/schemathesis/bin/schemathesis"
MINISTACK = ROOT / ".tools/ministack/bin/ministack"

# What no tool may inherit: whoever runs the tests may have a real account, and no test may reach it.
NO_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "SAM_CLI_TELEMETRY": "0",
}
_FORGET = ("-u", "AWS_PROFILE", "-u", "AWS_SESSION_TOKEN", "-u", "AWS_ENDPOINT_URL")


def need(suite: str, *tools: str) -> None:
    """Skip what needs one of these tools, by the names below, where it is not installed."""
    for tool in tools:
        if not here(tool):
            pytest.skip(f"SKIPPED {suite}: {tool}")


def here(tool: str) -> bool:
    """Tell whether a tool is on this machine: what tests/tools/setup.sh brings, `python3.13`, or a command on PATH."""
    match tool:
        case "sam":
            return SAM.exists() and shutil.which("make") is not None
        case "python3.13":
            return python313() is not None
        case "ministack" | "checkov" | "runtime" | "schemathesis" | "frameworks" | "openai_old" | "node" | "infinity":
            return (ROOT / ".tools" / tool / "stamp").exists()
        case "python":  # the one that runs the tests
            return True
        case _:
            return shutil.which(tool) is not None


def python313() -> Path | None:
    """The Python that builds what Lambda runs, or None where there is none."""
    found = subprocess.run(["/bin/sh", str(ROOT / "layers/python313.sh")], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def run(
    *command: str | Path, environment: Mapping[str, str] | None = None, cwd: Path = ROOT, stdin: str | None = None
) -> str:
    """What the command prints, run in our environment with these variables over it.

    Raises: AssertionError with the end of what it said, where it fails.
    """
    variables = [f"{name}={value}" for name, value in {**NO_ACCOUNT, **(environment or {})}.items()]
    arguments = ["/usr/bin/env", *_FORGET, *variables, *map(str, command)]
    done = subprocess.run(arguments, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"
    return done.stdout
