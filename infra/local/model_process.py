"""How is the model's server kept running? As a child that dies with its parent, and is started again until then."""

import asyncio
import json
import subprocess
import sys
from itertools import count

_LONGEST_PAUSE_S = 10


class Model:
    """The model's server: a child that is started again, on the same port, when it ends by itself."""

    def __init__(self) -> None:
        self.port = 0
        self._process = self._start()
        self._stopping = False

    async def ready(self) -> int:
        """Return the port once it serves."""
        self.port = await asyncio.to_thread(_port_of, self._process)
        return self.port

    async def keep(self) -> None:
        """Start it again whenever it ends, a little later each time."""
        for ended in count(1):
            await asyncio.to_thread(self._process.wait)
            if self._stopping:
                return
            _say(f"the model's server has ended (status {self._process.returncode}), and is started again")
            await asyncio.sleep(min(ended, _LONGEST_PAUSE_S))
            self._process = self._start()

    def stop(self) -> None:
        """End it: it goes when its standard input closes."""
        self._stopping = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "infra.local.sagemaker", "--port", str(self.port)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (our own module)


def _port_of(model: subprocess.Popen[bytes]) -> int:
    assert model.stdout is not None
    line = model.stdout.readline()
    if not line:
        raise SystemExit("embedge: the model's server did not start; what it says is above.")
    return json.loads(line)["port"]


def _say(what: str) -> None:
    print(f"embedge: {what}", file=sys.stderr, flush=True)  # noqa: T201 (to whoever watches the terminal)
