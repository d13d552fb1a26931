"""What embeds for a deployed stack? The local stack's model, behind SageMaker's protocol, while a test needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def sagemaker(*options: str, host: str = "127.0.0.1") -> Generator[str]:
    """Serve the model at this address of the machine; give its URL."""
    command = (sys.executable, "-m", "infra.local.sagemaker", "--host", host, *options)
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://{host}:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)
