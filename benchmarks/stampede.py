"""What does a stampede cost? Requests for one new text at the same moment: calls to the model, and time, three ways.

`make bench-stampede`, or `.venv/bin/python -m benchmarks.stampede`. The router's real application over SQLite, in
front of a model that takes a fifth of a second: all requests in one process; one in each of several processes; and
these on a route with `stampede_lease`.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep

from typing_extensions import override

from benchmarks.in_process import router

_REQUESTS = 50
_PROCESSES = 8
_ROUNDS = 5
_MODEL_S = 0.2
_DIMENSIONS = 1536


def main() -> None:
    """Print the table; or be one of the processes."""
    if len(sys.argv) > 1:
        asyncio.run(_one_process(Path(sys.argv[1]), int(sys.argv[2]), leased=sys.argv[3] == "leased"))
        return
    print(f"{'':44}{'requests':>10}{'calls':>8}{'time':>14}")
    with tempfile.TemporaryDirectory() as folder, _model() as model:
        asyncio.run(_in_one_process(Path(folder), model))
        for leased in (False, True):
            _in_several_processes(Path(folder), model, leased=leased)


def _show(what: str, requests: int, calls: list[int], seconds: list[float]) -> None:
    times = f"{min(seconds) * 1000:.0f}-{max(seconds) * 1000:.0f} ms"
    called = "-".join(map(str, sorted({min(calls), max(calls)})))
    print(f"{what:44}{requests:>10}{called:>8}{times:>14}")


async def _in_one_process(folder: Path, model: "_Model") -> None:
    calls, seconds = list[int](), list[float]()
    async with router(folder, _route(model.server_port, leased=False)) as asked:
        for number in range(_ROUNDS):
            body, before, began_s = _body(f"one process {number}"), model.calls, perf_counter()
            answers = await asyncio.gather(*(asked.ask(body) for _ in range(_REQUESTS)))
            seconds.append(perf_counter() - began_s)
            calls.append(model.calls - before)
            assert {answer.status for answer in answers} == {200}
    _show("one process", _REQUESTS, calls, seconds)


def _in_several_processes(folder: Path, model: "_Model", *, leased: bool) -> None:
    """Start the processes, wait until each is warm, and give all of them the word for each round."""
    word = "leased" if leased else "alone"
    command = [sys.executable, "-m", "benchmarks.stampede", str(folder), str(model.server_port), word]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
        for _ in range(_PROCESSES)
    ]
    for process in processes:
        _answer_of(process)
    calls, seconds = list[int](), list[float]()
    for number in range(_ROUNDS):
        before = model.calls
        for process in processes:
            _tell(process, f"{word} {number}")
        seconds.append(max(float(_answer_of(process)) for process in processes))
        sleep(_MODEL_S)
        calls.append(model.calls - before)
    for process in processes:
        process.communicate()
    _show(f"{_PROCESSES} processes, {'with' if leased else 'without'} leases", _PROCESSES, calls, seconds)


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _answer_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline() or sys.exit("a process ended; what it says is above")


async def _one_process(folder: Path, port: int, *, leased: bool) -> None:
    """Ask for each text that stands in a line of the input; say how long it took."""
    async with router(folder, _route(port, leased=leased)) as asked:
        await asked.ask(_body(f"warm {perf_counter()}"))
        print("ready", flush=True)
        for line in iter(sys.stdin.readline, ""):
            answer = await asked.ask(_body(line))
            assert answer.status == 200
            print(answer.elapsed_s, flush=True)


def _body(text: str) -> bytes:
    return json.dumps({"model": "bench", "input": text, "encoding_format": "base64"}).encode()


def _route(port: int, *, leased: bool) -> bytes:
    target = {
        "id": "stub",
        "provider": "tei",
        "transport": "https",
        "endpoint": f"http://127.0.0.1:{port}",
        "private": True,
        "price_usd_per_million_tokens": "0.02",
    }
    document = {
        "alias": "bench",
        "space": {"model": "bench", "revision": "1", "dimensions": _DIMENSIONS},
        "max_input_tokens": 8192,
        "tokenizer": {"family": "byte_bpe"},
        "stampede_lease": leased,
        "admit": "always",
        "targets": [target],
    }
    return json.dumps(document).encode()


class _Model(ThreadingHTTPServer):
    """The model's server; `calls` are those that it was sent."""

    request_queue_size = 128
    daemon_threads = True
    calls = 0


@contextmanager
def _model() -> Generator[_Model]:
    server = _Model(("127.0.0.1", 0), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Speaks TEI's wire format."""

    protocol_version = "HTTP/1.1"
    server: _Model  # pyright: ignore[reportIncompatibleVariableOverride] (it is made by no other)

    def do_POST(self) -> None:
        inputs = json.loads(self.rfile.read(int(self.headers["content-length"])))["inputs"]
        self.server.calls += 1
        sleep(_MODEL_S)
        answer = json.dumps([[_DIMENSIONS**-0.5] * _DIMENSIONS for _ in inputs]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the table is all that is to be seen."""


if __name__ == "__main__":
    main()
