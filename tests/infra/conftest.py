"""What do these tests share? One build, and one deployed stack with a probe for a function: both are slow."""

from __future__ import annotations

import json
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy import Deployment, build, deploy
from tests.e2e.ministack import WHOLE_STACK, Ministack, ministack
from tests.e2e.tools import need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Probed:
    """The deployed stack, and its function's hands: what it may do is what its role may do."""

    aws: Ministack
    deployment: Deployment

    def try_(self, operation: str, **arguments: object) -> str:
        """What DynamoDB answers the function: `ok`, or an error's code."""
        body = json.dumps({"operation": operation, "arguments": arguments}).encode()
        return self.answer("POST", "/v1/embeddings", body)["answer"]

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
    function = built / "ApiFunction"
    shutil.rmtree(function)
    function.mkdir()
    shutil.copy(Path(__file__).with_name("probe.py"), function / "app.py")
    with ministack(*WHOLE_STACK, iam="enforced") as aws:
        yield Probed(aws, deploy(built, aws, {"SageMakerEndpointNames": "embedge-*,bge-m3"}))
