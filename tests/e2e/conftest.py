"""What do these tests share? One deployment of the whole, with every right enforced: it takes half a minute."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.routes import embedded_model
from tests.e2e.deploy import build, deploy
from tests.e2e.deployed import EMBEDGE, OWN_ENDPOINT, PAGE, TOKENS_PER_MINUTE, Deployed
from tests.e2e.ministack import ALL_OPTIONS, Ministack, ministack
from tests.e2e.tools import ROOT, need, run
from tests.upstream import Upstream, openai_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    need("deploy", "python3.13", "sam", "ministack")
    folder = tmp_path_factory.mktemp("deployed")
    built = build(folder / "built")
    model = subprocess.Popen(
        [sys.executable, "-m", "infra.local.sagemaker", "--name", OWN_ENDPOINT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert model.stdin is not None
    assert model.stdout is not None
    try:
        port = json.loads(model.stdout.readline())["port"]
        with openai_upstream() as upstream, ministack(*ALL_OPTIONS, iam="enforced") as aws:
            parameters = {
                "SageMakerRuntimeUrl": f"http://127.0.0.1:{port}",
                "SageMakerEndpointNames": "all-MiniLM-L6-v2",
                "CorsAllowedOrigins": f"http://localhost:3000,{PAGE}",
                "DefaultTokensPerMinute": str(TOKENS_PER_MINUTE),
                "Alarms": "true",
                "Dashboard": "true",
                "BudgetUsdPer24h": "100",
                "AlarmEmail": "operators@example.com",
            }
            deployment = deploy(built, aws, parameters)
            yield Deployed(aws, deployment.url, _operate(aws, upstream, folder), upstream, built, parameters)
    finally:
        model.stdin.close()
        model.stdout.close()
        model.wait(10)


def _operate(aws: Ministack, upstream: Upstream, folder: Path) -> str:
    """Do what the README tells an operator to do after `sam deploy`; return a token."""
    (minilm := folder / "minilm.json").write_text(embedded_model(None))
    (large := folder / "large.json").write_text(upstream.route("large"))
    run(*EMBEDGE, "keys", "init", environment=aws.environment)
    run(*EMBEDGE, "routes", "apply", minilm, large, environment=aws.environment)
    return run(*EMBEDGE, "token", "mint", "--tenant", "acme", environment=aws.environment).strip()
