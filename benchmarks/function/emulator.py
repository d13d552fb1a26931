"""How long does Lambda say that a function takes? One execution environment under its runtime interface emulator.

The emulator's REPORT line is not to be believed, so its own log is read: INIT REPORT, and INVOKE RTDONE for each event.
Processor time and memory are what benchmarks/function/runtime_child.py, the process inside, counts.
"""

import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.function.artifact import ROOT
from benchmarks.function.environment import Program, variables_of

_CHILD = Path(__file__).with_name("runtime_child.py")
_INVOKE = "/2015-03-31/functions/function/invocations"
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)")
_DONE = re.compile(r"INVOKE RTDONE\(status: success, produced bytes: \d+, duration: ([\d.]+)ms")
_START_S = 10.0
_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Started:
    """What one start took: wall and processor milliseconds, `warm` without the first request; megabytes at most."""

    init_ms: float
    init_processor_ms: float
    first_ms: float
    first_processor_ms: float
    warm_ms: tuple[float, ...]
    warm_processor_ms: tuple[float, ...]
    memory_mb: float


def start(program: Program, events: Sequence[bytes], logs: Path) -> Started:
    """Start it, send these events one after the other, and end it. Raises: SystemExit where one fails.

    What it writes is in `emulator.log` in the folder of logs, until the next one is started.
    """
    log, counts = logs / "emulator.log", logs / "emulator.counts"
    counts.write_text("", encoding="ascii")
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (the emulator, and our own program)
            _command(program, port, counts), cwd=program.folders[0], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for event in events:
            _ask(port, event, log)
        _wait_for_lines(counts, len(events) + 1)
    finally:
        process.terminate()
        process.wait()
    return _read(counts.read_text(encoding="ascii"), log.read_text(errors="replace"), len(events))


def _command(program: Program, port: int, counts: Path) -> list[str]:
    """Run with no variable but those that Lambda sets, and the function's own. The emulator gives it its address."""
    variables = {**variables_of(program), "PATH": "/usr/bin:/bin", "AWS_LAMBDA_FUNCTION_TIMEOUT": "30"}
    return [
        *("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())),
        *(str(_emulator()), "--log-level", "info"),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{_free_port()}"),
        *(str(program.python), str(_CHILD), "app.handler", str(counts)),
    ]


def _emulator() -> Path:
    """Return the emulator that comes with the SAM CLI. Raises: SystemExit."""
    for found in (ROOT / ".tools/sam").glob("lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"):
        return found
    raise SystemExit("There is no runtime interface emulator here: tests/tools/setup.sh sam")


def _ask(port: int, event: bytes, log: Path) -> None:
    connection = _connect(port)
    try:
        connection.request("POST", _INVOKE, event)
        answered = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answered.get("statusCode") != http.HTTPStatus.OK:
        raise SystemExit(f"The function answered {str(answered)[:500]}\n{log.read_text(errors='replace')[-3000:]}")


def _connect(port: int) -> http.client.HTTPConnection:
    deadline_s = time.monotonic() + _START_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
        try:
            connection.connect()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return connection


def _wait_for_lines(file: Path, lines: int) -> None:
    """Wait until the process inside is waiting too: it counts after it has answered."""
    deadline_s = time.monotonic() + _START_S
    while file.read_text(encoding="ascii").count("\n") < lines and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _read(counts: str, log: str, events: int) -> Started:
    lines = [line.split() for line in counts.splitlines()]
    processor_ms = [int(nanoseconds) / 1e6 for nanoseconds, _ in lines]
    each_ms = [after - before for before, after in pairwise(processor_ms)]
    took_ms = [float(found) for found in _DONE.findall(log)]
    begun = _INIT.search(log)
    if begun is None or len(took_ms) != events or len(each_ms) != events:
        raise SystemExit(f"The emulator's log does not show {events} events:\n{log[-3000:]}")
    return Started(
        init_ms=float(begun[1]),
        init_processor_ms=processor_ms[0],
        first_ms=took_ms[0],
        first_processor_ms=each_ms[0],
        warm_ms=tuple(took_ms[1:]),
        warm_processor_ms=tuple(each_ms[1:]),
        memory_mb=int(lines[-1][1]) * 1024 / 1e6,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
