"""Which processes are measured? A router as `make run` starts it, in one, and a stub of its upstream in another."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server.load import Encoding, Input, Load

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Served:
    """A router under load: where, with what token, and its process; and the stub behind it."""

    port: int
    token: str
    pid: int
    stub_port: int

    def load(self, text: Callable[[int], Input], encoding: Encoding = "base64", model: str = "bench") -> Load:
        """Return a load of these texts on the router."""
        return Load(self.port, self.token, text, encoding, model)

    def stub_load(self, text: Callable[[int], Input], encoding: Encoding) -> Load:
        """Return the same load on the stub, with nothing in between."""
        return Load(self.stub_port, self.token, text, encoding)

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Return how much memory it has now: all of it, or `RssAnon`, its own without pages of files."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith(f"{what}:"))
        return int(line.split()[1]) * 1024 / 1e6

    def processor_s(self) -> float:
        """Return its processor time so far, of all its threads (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9


@contextmanager
def stub() -> Generator[int]:
    """Start the stub; give its port."""
    with _child("stub") as (port, _):
        yield int(port)


@contextmanager
def served(folder: Path, stub_port: int, memory_cache_bytes: int) -> Generator[Served]:
    """Start a router on the state of a folder."""
    with _child("router", str(folder), str(stub_port), str(memory_cache_bytes)) as (told, pid):
        read = json.loads(told)
        yield Served(read["port"], read["token"], pid, stub_port)


@contextmanager
def _child(module: str, *arguments: str) -> Generator[tuple[str, int]]:
    """Start a program that prints a line when it serves, and ends when its standard input closes."""
    command = [sys.executable, "-m", f"benchmarks.server.{module}", *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"the {module} did not start; what it says is above")
        yield line, process.pid
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)
