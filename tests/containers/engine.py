"""How does a test get a container engine of its own? dockerd, for as long as the test needs it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_PROGRAMS = ("dockerd", "docker", "iptables")
_OTHER = Path("/var/run/docker.sock")
# Where it has just made the bridge, an engine says only of what network that is: its own address there is the first.
_ADDRESSES = "{{(index .IPAM.Config 0).Subnet}} {{(index .IPAM.Config 0).Gateway}}"
_START_S = 30.0
_STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A running one. From its containers, this machine is at `gateway`."""

    socket: Path
    gateway: str

    @property
    def url(self) -> str:
        """What DOCKER_HOST is to say."""
        return f"unix://{self.socket}"

    def docker(self, *arguments: str, stdin: IO[bytes] | None = None) -> str:
        """What a docker command prints. Raises: AssertionError where it fails."""
        command = ("docker", "--host", self.url, *arguments)
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=False)
        assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr.decode()[-2000:]}"
        return done.stdout.decode()


def need_engine(suite: str) -> None:
    """Skip what needs one where none can be had, or fail it where EMBEDGE_REQUIRE_CONTAINERS says that one must."""
    if reason := _lacking():
        if os.environ.get("EMBEDGE_REQUIRE_CONTAINERS") == "1":
            pytest.fail(f"{suite} needs {reason}")
        pytest.skip(f"SKIPPED {suite}: {reason}")


def _lacking() -> str | None:
    missing = [program for program in _PROGRAMS if shutil.which(program, path=_PATH) is None]
    if missing:
        return f"{', '.join(missing)} (on Debian, as root: apt-get install --no-install-recommends docker.io iptables)"
    if os.geteuid() != 0:
        return "root, which dockerd needs"
    if _OTHER.exists():
        return f"a machine without {_OTHER}: another engine's network would be in the way"
    return None


@contextmanager
def container_engine() -> Generator[Engine]:
    """Start one; its containers, its images and its folder are gone afterwards. One at a time on a machine."""
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as folder,
        (Path(tempfile.gettempdir()) / "embedge-engine.lock").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # two of them would share the network docker0, and give one address twice
        process = _start(Path(folder))
        try:
            engine = _when_ready(Path(folder), process)
            try:
                yield engine
            finally:
                if left := engine.docker("ps", "--all", "--quiet").split():
                    engine.docker("rm", "--force", *left)
        finally:
            process.terminate()
            process.wait(_STOP_S)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [
        *("dockerd", "--host", f"unix://{folder}/docker.sock", "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
    ]
    with (folder / "log").open("wb") as log:
        # A group of its own, so that Ctrl-C does not end it before its containers are gone.
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PATH": _PATH}, start_new_session=True
        )


def _when_ready(folder: Path, process: subprocess.Popen[bytes]) -> Engine:
    socket = folder / "docker.sock"
    asking = ("docker", "--host", f"unix://{socket}", "network", "inspect", "bridge", "--format", _ADDRESSES)
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        done = subprocess.run(asking, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            subnet, *gateway = done.stdout.split()
            return Engine(socket, gateway[0] if gateway else str(next(ip_network(subnet).hosts())))
        time.sleep(0.1)
    raise AssertionError(f"dockerd did not start:\n{(folder / 'log').read_text()[-2000:]}")
