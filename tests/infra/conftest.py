"""What do these tests share? One build, and one deployed stack with a probe for a function: both are slow."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy import STACK, Deployment, build, deploy
from tests.e2e.ministack import WHOLE_STACK, Ministack, ministack
from tests.e2e.tools import SAM_PYTHON, need, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


PARAMETERS = {"SageMakerEndpointNames": "embedge-*,bge-m3", "CanarySchedule": "rate(1 day)"}
_INVOKE = """
import boto3, sys
print(boto3.client("lambda").invoke(FunctionName=sys.argv[1], Payload=sys.argv[2])["Payload"].read().decode())
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """The deployed stack, and its function's hands: what it may do is what its role may do."""

    aws: Ministack
    deployment: Deployment

    def try_(self, operation: str, **arguments: object) -> str:
        """What DynamoDB answers the function: `ok`, or an error's code."""
        body = json.dumps({"operation": operation, "arguments": arguments}).encode()
        return self.answer("POST", "/v1/embeddings", body)["answer"]

    def try_as(self, function: str, operation: str, **arguments: object) -> str:
        """What DynamoDB answers another function of the stack: `ok`, or an error's code."""
        body = base64.b64encode(json.dumps({"operation": operation, "arguments": arguments}).encode()).decode()
        event = json.dumps({"body": body, "httpMethod": "POST", "path": "/"})
        answer = run(SAM_PYTHON, "-c", _INVOKE, f"{STACK}-{function}", event, environment=self.aws.environment)
        return json.loads(json.loads(answer)["body"])["answer"]

    def answer(self, method: str, path: str, body: bytes | None = None) -> Mapping[str, str]:
        """What the function answers to a request through the API."""
        request = urllib.request.Request(f"{self.deployment.url}{path}", data=body, method=method)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.loads(response.read() or b"{}")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `sam build` filled."""
    need("built layers", "python3.13", "sam")
    return build(tmp_path_factory.mktemp("build") / "built")


@pytest.fixture(scope="session")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probed]:
    """The stack with the real template, role and layers, and a function that does what it is told."""
    need("deploy", "python3.13", "sam", "ministack")
    built = build(tmp_path_factory.mktemp("deploy") / "built")
    for function in (built / name for name in ("ApiFunction", "CanaryFunction", "GuardFunction", "ReconcileFunction")):
        shutil.rmtree(function)
        function.mkdir()
        shutil.copy(Path(__file__).with_name("probe.py"), function / "app.py")
    with ministack(*WHOLE_STACK, iam="enforced") as aws:
        yield Probed(aws, deploy(built, aws, PARAMETERS))
