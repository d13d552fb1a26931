"""How does Lambda run a function? A process with its real runtime client, and a Runtime API of ours that feeds it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

_LONGEST_S = 60.0
_NEXT = b"/next"


@dataclass(frozen=True, slots=True)
class Program:
    """A function: `folders` are imported from in this order, `variables` are its environment."""

    name: str
    python: Path
    folders: Sequence[Path]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Took:
    """What something took of the processor, all threads together, and of the clock."""

    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True, slots=True)
class Answered:
    """An invocation's answer, as the runtime client sent it. The clock stops there; its processor time at the next."""

    body: bytes
    took: Took

    def read(self) -> Mapping[str, object]:
        """Return what the handler returned."""
        return orjson.loads(self.body)


class Environment:
    """One execution environment: started, then given one event at a time."""

    def __init__(self, program: Program, log: Path) -> None:
        """Start it, and wait until it asks for its first event. `init` is what that took."""
        self._name = program.name
        self._log = log
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = selectors.DefaultSelector()
        self._connections.register(self._listener, selectors.EVENT_READ)
        began_s = time.perf_counter()
        with log.open("ab") as written:
            self._process = subprocess.Popen(  # noqa: S603 (our own program)
                [program.python, "-m", "awslambdaric", "app.handler"],
                env=variables_of(program) | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.getsockname()[1]}"},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        self._waiting = self._asked_for_next()
        self.init = Took(self._cpu_ms(), 1000 * (time.perf_counter() - began_s))
        self._seen_cpu_ms = self.init.cpu_ms
        self._count = 0

    def invoke(self, event: bytes) -> Answered:
        """Give it an event, and return what it answers."""
        self._count += 1
        began_s = time.perf_counter()
        self._waiting.sendall(_next_event(event, self._count))
        connection, path, body = self._request()
        wall_ms = 1000 * (time.perf_counter() - began_s)
        if not path.endswith(b"/response"):
            raise SystemExit(f"{self._name} failed: {body[:500]!r}\nits log: {self._log}")
        connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        self._waiting = self._asked_for_next()
        before_ms, self._seen_cpu_ms = self._seen_cpu_ms, self._cpu_ms()
        return Answered(body, Took(self._seen_cpu_ms - before_ms, wall_ms))

    def threads(self) -> frozenset[int]:
        """Return the ids of its threads, now that it waits for an event."""
        return frozenset(int(entry.name) for entry in Path(f"/proc/{self._process.pid}/task").iterdir())

    def freeze(self) -> None:
        """Stop it where it is, as Lambda does between invocations."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for key in tuple(self._connections.get_map().values()):
            self._connections.unregister(key.fileobj)
            key.fileobj.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] (a socket)
        self._connections.close()

    def _cpu_ms(self) -> float:
        # The processor clock of another process, as clock_getcpuclockid(3) names it: to the nanosecond, all threads.
        return time.clock_gettime_ns((~self._process.pid << 3) | 2) / 1e6

    def _asked_for_next(self) -> socket.socket:
        connection, path, body = self._request()
        if not path.endswith(_NEXT):
            raise SystemExit(f"{self._name} did not start: {body[:2000]!r}\nits log: {self._log}")
        return connection

    def _request(self) -> tuple[socket.socket, bytes, bytes]:
        """Return the next request of the runtime client, on whichever connection it comes."""
        until_s = time.monotonic() + _LONGEST_S
        while time.monotonic() < until_s:
            for key, _ in self._connections.select(timeout=1):
                found = key.fileobj
                if found is self._listener:
                    self._connections.register(self._listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(found, socket.socket) and (request := _read(found)):
                    return found, *request
                else:
                    self._connections.unregister(found)
            if self._process.poll() is not None:
                break
        raise SystemExit(f"{self._name} is silent; its log: {self._log}")


def _read(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Read a request: its path and its body. None where the connection has ended."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        more = connection.recv(65_536)
        if not more:
            return None
        received += more
    first, *lines = bytes(received[:end]).split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if headers.get(b"expect") == b"100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks, missing = [bytes(received[end + 4 :])], int(headers.get(b"content-length", b"0"))
    missing -= len(chunks[0])
    while missing > 0:
        chunks.append(connection.recv(min(missing, 1 << 20)))
        missing -= len(chunks[-1])
    return first.split(b" ")[1], b"".join(chunks)


def _next_event(event: bytes, count: int) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        f"lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{count:012d}\r\n"
        f"lambda-runtime-deadline-ms: {int(1000 * (time.time() + 30))}\r\n"
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n"
        f"content-length: {len(event)}\r\n\r\n"
    )
    return head.encode() + event


def variables_of(program: Program) -> dict[str, str]:
    """Return what Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(map(str, program.folders)),
        "_HANDLER": "app.handler",
        "LAMBDA_TASK_ROOT": str(program.folders[0]),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret",
        "AWS_SESSION_TOKEN": "an-example-of-a-session-token" * 20,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",  # these folders are read-only there: what ships no bytecode has none
        **program.variables,
    }
