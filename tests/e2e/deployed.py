"""What is a deployment to a test? The stack as the README's steps leave it, and who calls it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openai

from tests.e2e.deploy import STACK
from tests.e2e.tools import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.ministack import Ministack
    from tests.upstream import Upstream

EMBEDGE = (sys.executable, "-m", "embedge.cli", "--stack", STACK)
MODEL = "local/minilm"
# What the deployment is told: who may call from a browser, and how much a tenant may ask for.
PAGE = "https://app.example.com"
TOKENS_PER_MINUTE = 50_000
# What the template calls the endpoint of a model of one's own.
OWN_ENDPOINT = f"{STACK}-gpu"


@dataclass(frozen=True, slots=True)
class Deployed:
    """The stack, its API's root, and a token for it; what was built for it, and the parameters that it was given."""

    aws: Ministack
    url: str
    token: str
    upstream: Upstream
    built: Path
    parameters: Mapping[str, str]

    @property
    def sagemaker_url(self) -> str:
        """What its models are behind."""
        return self.parameters["SageMakerRuntimeUrl"]

    def mint(self, *options: str) -> str:
        """Return another token."""
        return run(*EMBEDGE, "token", "mint", *options, environment=self.aws.environment).strip()

    def bearer(self) -> tuple[str, str]:
        """curl's option for the token."""
        return "--header", f"Authorization: Bearer {self.token}"

    def client(self, token: str | None = None) -> openai.OpenAI:
        """openai-python as a developer points it here."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=0)
