"""Does CloudFormation hear what became of a deployment's route, whatever happens?"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from tests.core.samples import document
from tests.e2e.tools import NO_ACCOUNT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_INVOKE = """
import json, sys
from types import SimpleNamespace
sys.path[:0] = sys.argv[1:]
import app
app.handler(json.load(sys.stdin), SimpleNamespace(log_group_name="the-log"))
"""


class CloudFormation(HTTPServer):
    """What waits for the answer; the port that it answers on refuses every other service."""

    answers: list[dict[str, Any]]


class _Answer(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        assert self.headers["Content-Type"] == ""
        assert isinstance(self.server, CloudFormation)
        self.server.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(400)  # so DynamoDB refuses for good
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    server = CloudFormation(("127.0.0.1", 0), _Answer)
    server.answers = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (json.dumps(document()), "out of reach"),
        (json.dumps(document(max_input_tokens=0)), "max_input_tokens"),
        (None, "KeyError: see the log the-log"),
    ],
)
def test_whatever_fails_is_said_at_once(cloudformation: CloudFormation, route: str | None, reason: str) -> None:
    url = f"http://127.0.0.1:{cloudformation.server_port}"
    event = {
        "RequestType": "Update",
        "ResponseURL": f"{url}/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "GpuRoute",
        "PhysicalResourceId": "small",
        "ResourceProperties": {"Route": route} if route else {},
        "OldResourceProperties": {"Route": json.dumps(document())},
    }
    tables = {f"EMBEDGE_{name}_TABLE": "none" for name in ("CONTROL", "LEDGER", "CACHE")}
    command = [sys.executable, "-c", _INVOKE, str(ROOT / "functions" / "route"), str(ROOT / "layers" / "embedge")]
    environment = {**NO_ACCOUNT, **tables, "AWS_ENDPOINT_URL": url}
    done = subprocess.run(
        command, env=environment, input=json.dumps(event), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert answer["PhysicalResourceId"] == "small"
    assert {answer["StackId"], answer["RequestId"], answer["LogicalResourceId"]} == {"stack", "request", "GpuRoute"}
    assert json.loads(done.stdout)["Status"] == "FAILED"
