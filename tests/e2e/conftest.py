"""What do these tests share? Real text, and one deployment of the whole, with every right enforced: half a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.minilm import MiniLM
from infra.local.model_files import weights
from infra.local.routes import embedded_model
from tests.e2e.deploy import build, deploy
from tests.e2e.deployed import OWN_ENDPOINT, PAGE, TOKENS_PER_MINUTE, Deployed, operate
from tests.e2e.ministack import ALL_OPTIONS, ministack
from tests.e2e.passages import passages
from tests.e2e.sagemaker import sagemaker
from tests.e2e.tools import need
from tests.upstream import openai_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def minilm() -> MiniLM:
    """What the deployment's model has to answer."""
    return MiniLM.load(weights())


@pytest.fixture(scope="session")
def real_texts(minilm: MiniLM) -> tuple[str, ...]:
    """A batch of several dozens, of which some come twice, as in any corpus."""
    chosen = passages(64, minilm)
    return (*chosen, *chosen[:6])


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    need("deploy", "python3.13", "sam", "ministack")
    folder = tmp_path_factory.mktemp("deployed")
    built = build(folder / "built")
    with (
        sagemaker("--name", OWN_ENDPOINT) as model,
        openai_upstream() as upstream,
        ministack(*ALL_OPTIONS, iam="enforced") as aws,
    ):
        parameters = {
            "SageMakerRuntimeUrl": model,
            "SageMakerEndpointNames": "all-MiniLM-L6-v2",
            "CorsAllowedOrigins": f"http://localhost:3000,{PAGE}",
            "DefaultTokensPerMinute": str(TOKENS_PER_MINUTE),
            "Alarms": "true",
            "Dashboard": "true",
            "BudgetUsdPer24h": "100",
            "AlarmEmail": "operators@example.com",
        }
        deployment = deploy(built, aws, parameters)
        token = operate(aws, folder, embedded_model(None), upstream.route("large"))
        yield Deployed(aws, deployment.url, token, upstream, built, parameters)
