"""How does a test get an AWS of its own? ministack, on a free port, for as long as the test needs it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.e2e.tools import MINISTACK, NO_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Generator

DYNAMODB = ("dynamodb",)
WHOLE_STACK = (
    "apigateway",
    "cloudformation",
    "dynamodb",
    "events",
    "iam",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
)
# What the options need beside that, those that ministack has; tests/e2e/ministack_extras.py stands in for the others.
ALL_OPTIONS = (*WHOLE_STACK, "acm", "cloudwatch", "kms", "route53", "sns", "ssm", "wafv2")
_EXTRAS = "ministack_extras.py"
_START_S = 30.0
_STOP_S = 10.0
_ENGINE_S = 120  # for one copy of a layer into a container, by a machine that does other things too


@dataclass(frozen=True, slots=True)
class Ministack:
    """A running one. `test` with `test` is its account's root; beside that it takes what it has issued."""

    port: int
    log: Path
    host: str = "127.0.0.1"

    @property
    def endpoint(self) -> str:
        """The URL of every service."""
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto, the AWS CLI and SAM read to come here as the account's root."""
        return {**NO_ACCOUNT, "AWS_ENDPOINT_URL": self.endpoint, "NO_PROXY": self.host}


@contextmanager
def ministack(
    *services: str,
    iam: Literal["enforced", "ignored"] = "ignored",
    host: str = "127.0.0.1",
    engine: str | None = None,
) -> Generator[Ministack]:
    """One with these services, empty and forgotten afterwards: `with ministack(*DYNAMODB) as aws`.

    With IAM enforced, each function may do what its role says and nothing else. `host` is an address of this machine.
    Functions run in containers where `engine` is the URL of what runs these, else in ministack's own interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="ministack-") as folder:
        started = Ministack(_free_port(host), Path(folder) / "log", host)
        process = _start(started, services, iam, engine)
        try:
            _wait_until_healthy(started, process)
            yield started
        finally:
            _stop(process)


def _start(started: Ministack, services: tuple[str, ...], iam: str, engine: str | None) -> subprocess.Popen[bytes]:
    # The functions inherit its environment, so it gets none of ours (env -i): on Lambda they have none of it.
    folder = started.log.parent
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "BIND_HOST": started.host,
        "GATEWAY_PORT": str(started.port),
        "SERVICES": ",".join(services),
        "AUTH": "true" if iam == "enforced" else "false",
        **_executor(engine),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    command = [
        "/usr/bin/env",
        "-i",
        *(f"{name}={value}" for name, value in variables.items()),
        str(MINISTACK.with_name("python")),
        "-P",  # or this folder's ministack.py would be taken for it
        str(Path(__file__).with_name(_EXTRAS if services == ALL_OPTIONS else "ministack_with_keys.py")),
    ]
    with started.log.open("wb") as log:
        # A session of its own, so that its functions' processes can be ended with it.
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def _executor(engine: str | None) -> dict[str, str]:
    if engine is None:
        return {"LAMBDA_EXECUTOR": "local"}
    # Strict, or it would quietly use its own interpreter where the engine does not answer.
    return {
        "LAMBDA_EXECUTOR": "docker",
        "LAMBDA_STRICT": "1",
        "DOCKER_HOST": engine,
        "MINISTACK_DOCKER_TIMEOUT": str(_ENGINE_S),
    }


def _wait_until_healthy(started: Ministack, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _healthy(started):
            return
        time.sleep(0.02)
    raise RuntimeError(f"ministack did not start:\n{started.log.read_text()[-2000:]}")


def _healthy(started: Ministack) -> bool:
    connection = http.client.HTTPConnection(started.host, started.port, timeout=1)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    finally:
        with suppress(ProcessLookupError):  # where nothing is left over
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
