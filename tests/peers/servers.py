"""Which servers stand behind the route? infinity, other people's, and our stand-in for SageMaker: the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import httpx

from infra.local.model_files import weights
from tests.e2e.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MODEL = "all-MiniLM-L6-v2"
INFINITY = ROOT / ".tools/infinity/bin/infinity_emb"
_LONGEST_START_S = 180
# No hub, no statistics, and no more threads than one: the tests, the router and the other server want to run too.
_ALONE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "OMP_NUM_THREADS": "1",
}


class Server:
    """A server in a process of its own, on a port that it keeps when it is started again."""

    def __init__(self, name: Literal["infinity", "sagemaker"], port: int, model: Path) -> None:
        self.name = name
        self.port = port
        self._model = model
        self._process = self._started()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a machine that fails would: at once, in the middle of whatever it does."""
        self._process.kill()
        self._reap()

    def stop_answering(self) -> None:
        """Let it hang: connections are still taken, by the machine that it runs on, and nothing ever comes back."""
        self._process.send_signal(signal.SIGSTOP)

    def recover(self) -> None:
        """Start it again, or let it go on, whatever had become of it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        else:
            self._process = self._started()

    def end(self) -> None:
        if self._process.poll() is None:
            self.kill()

    def _reap(self) -> None:
        self._process.wait(30)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _started(self) -> subprocess.Popen[str]:
        return self._infinity() if self.name == "infinity" else self._sagemaker()

    def _sagemaker(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "infra.local.sagemaker", "--port", str(self.port)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"port": self.port}
        return process

    def _infinity(self) -> subprocess.Popen[str]:
        options = {
            "--model-id": str(self._model),
            "--served-model-name": MODEL,
            "--url-prefix": "/v1",
            "--engine": "torch",
            "--device": "cpu",
            "--dtype": "float32",
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--log-level": "error",
        }
        command = [
            str(INFINITY),
            "v2",
            *(part for option in options.items() for part in option),
        ]
        process = subprocess.Popen(
            [*command, "--no-compile", "--no-bettertransformer"],
            env={**os.environ, **_ALONE},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        until_s = time.monotonic() + _LONGEST_START_S
        while not _is_healthy(f"{self.url}/health"):
            assert process.poll() is None, "infinity ended while it started"
            assert time.monotonic() < until_s, "infinity does not start"
            time.sleep(0.2)
        return process


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def server(name: Literal["infinity", "sagemaker"], port: int, model: Path | None = None) -> Generator[Server]:
    """Start one; it is gone afterwards. `model`: the folder that infinity serves, if not the one of ours."""
    running = Server(name, port, model or weights())
    try:
        yield running
    finally:
        running.end()
