"""What is a deployment to a test? The stack as the README's steps leave it, and who calls it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openai

from tests.e2e.deploy import STACK
from tests.e2e.tools import SAM_PYTHON, run

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
_INVOKE = """
import boto3, sys
from botocore.config import Config
client = boto3.client("lambda", config=Config(read_timeout=200, retries={"total_max_attempts": 1}))
answer = client.invoke(FunctionName=sys.argv[1], Payload=sys.stdin.read())
said = answer["Payload"].read().decode()
sys.exit(said) if "FunctionError" in answer else print(said)
"""


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

    def invoke(self, function: str, event: str) -> str:
        """Return what a function of the stack answers to this event. Raises: AssertionError where it fails."""
        return run(SAM_PYTHON, "-c", _INVOKE, f"{STACK}-{function}", environment=self.aws.environment, stdin=event)

    def bearer(self) -> tuple[str, str]:
        """curl's option for the token."""
        return "--header", f"Authorization: Bearer {self.token}"

    def client(self, token: str | None = None) -> openai.OpenAI:
        """openai-python as a developer points it here."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=0)


def operate(aws: Ministack, folder: Path, *routes: str) -> str:
    """Do what the README tells an operator to do after `sam deploy`, with files in this folder; return a token."""
    files = [folder / f"route-{number}.json" for number in range(len(routes))]
    for file, route in zip(files, routes, strict=True):
        file.write_text(route)
    run(*EMBEDGE, "keys", "init", environment=aws.environment)
    run(*EMBEDGE, "routes", "apply", *files, environment=aws.environment)
    return run(*EMBEDGE, "token", "mint", "--tenant", "acme", environment=aws.environment).strip()
