"""How soon does `make run` answer, and how long does one answer take on a kept connection?

`make run` once (so that everything is installed), then `.venv/bin/python -m benchmarks.laptop`. It starts stacks of its
own, on a free port and in folders that it deletes. The first start of all is `time make run` in a fresh clone.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median

import httpx

_STARTS = 5
_ANSWERS = 100
_MODEL = "local/minilm"


def main() -> None:
    """Print the medians."""
    starts: list[float] = []
    hits: list[float] = []
    misses: list[float] = []
    with tempfile.TemporaryDirectory() as state:
        for _ in range(_STARTS):
            with _stack(state) as (seconds, url, token):
                starts.append(seconds)
                hit, miss = _answers(url, token)
                hits.append(hit)
                misses.append(miss)
    _show("start to banner, s", starts)
    _show("one hit, ms", [1000 * hit for hit in hits])
    _show("one miss, ms", [1000 * miss for miss in misses])


def _show(what: str, measured: list[float]) -> None:
    print(f"{what:20}{median(measured):8.2f}   ({min(measured):.2f} to {max(measured):.2f} in {len(measured)} starts)")


@contextmanager
def _stack(state: str) -> Generator[tuple[float, str, str]]:
    """Start a stack; give how long it took, its URL and a token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = time.perf_counter()
    environment = {**os.environ, "PORT": port, "HOST": "127.0.0.1", "EMBEDGE_STATE": state}
    command = [sys.executable, "-m", "infra.local"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
    assert process.stdout is not None
    try:
        shown = _until(process.stdout.readline, "Token")
        seconds = time.perf_counter() - started
        _until(process.stdout.readline, "Ctrl-C")
        yield seconds, f"http://127.0.0.1:{port}/v1", shown
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        process.wait()


def _until(readline: Callable[[], str], word: str) -> str:
    """Read to the line with this word, and return that line's last one."""
    for line in iter(readline, ""):
        if re.search(rf"\b{word}\b", line):
            return line.split()[-1]
    raise SystemExit("the stack did not start; what it says is above")


def _answers(url: str, token: str) -> tuple[float, float]:
    """Return the median seconds of a hit and of a miss."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:

        def ask(text: str) -> float:
            began = time.perf_counter()
            body = {"model": _MODEL, "input": text, "encoding_format": "base64"}
            client.post("/embeddings", json=body).raise_for_status()
            return time.perf_counter() - began

        ask("known")
        hits = [ask("known") for _ in range(_ANSWERS)]
        return median(hits), median(ask(f"new {time.time_ns()} {number}") for number in range(_ANSWERS))


if __name__ == "__main__":
    main()
