"""Does the deployed whole give openai-python its vectors, by the README's steps, with every right enforced?"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openai
import pytest

from infra.local.routes import embedded_model
from tests.e2e.deploy import STACK, build, deploy
from tests.e2e.ministack import WHOLE_STACK, Ministack, ministack
from tests.e2e.tools import ROOT, SAM_PYTHON, need, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]

MODEL = "local/minilm"
TEXTS = [
    "The ledger decides before the money is spent.",
    "Vectors of two spaces are never mixed.",
    "The ledger decides before the money is spent.",
]

_LOG = """
import boto3, json
logs = boto3.client("logs")
group = next(g["logGroupName"] for g in logs.describe_log_groups()["logGroups"] if g["logGroupName"].endswith("-api"))
print(json.dumps([event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]))
"""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The stack, its API's root, and a token for it."""

    aws: Ministack
    url: str
    token: str

    def client(self, token: str | None = None) -> openai.OpenAI:
        """openai-python as a developer points it here."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=0)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    need("deploy", "python3.13", "sam", "ministack")
    folder = tmp_path_factory.mktemp("deployed")
    built = build(folder / "built")
    model = subprocess.Popen(
        [sys.executable, "-m", "infra.local.sagemaker"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert model.stdin is not None
    assert model.stdout is not None
    try:
        port = json.loads(model.stdout.readline())["port"]
        with ministack(*WHOLE_STACK, "ssm", iam="enforced") as aws:
            parameters = {
                "SageMakerRuntimeUrl": f"http://127.0.0.1:{port}",
                "SageMakerEndpointNames": "all-MiniLM-L6-v2",
            }
            deployment = deploy(built, aws, parameters)
            yield Deployed(aws, deployment.url, _operate(aws, folder))
    finally:
        model.stdin.close()
        model.stdout.close()
        model.wait(10)


def _operate(aws: Ministack, folder: Path) -> str:
    """Do what the README tells an operator to do after `sam deploy`; return a token."""
    route = folder / "minilm.json"
    route.write_text(embedded_model(None))
    embedge = (sys.executable, "-m", "embedge.cli", "--stack", STACK)
    run(*embedge, "keys", "init", environment=aws.environment)
    run(*embedge, "routes", "apply", route, environment=aws.environment)
    return run(*embedge, "token", "mint", "--tenant", "acme", environment=aws.environment).strip()


def test_openai_python_gets_its_vectors_and_the_second_time_they_are_hits(deployed: Deployed) -> None:
    with deployed.client() as client:
        first = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
        second = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
        as_floats = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert first.headers["x-embedge-cache"] == "hits=0; misses=2"
    assert second.headers["x-embedge-cache"] == "hits=3; misses=0"
    assert float(first.headers["x-embedge-cost-usd"]) > 0 == float(second.headers["x-embedge-cost-usd"])
    vectors = [row.embedding for row in first.parse().data]
    assert [len(vector) for vector in vectors] == [384] * 3
    assert vectors[0] == vectors[2] != vectors[1]
    assert vectors == [row.embedding for row in second.parse().data]
    assert [pytest.approx(vector) for vector in vectors] == [row.embedding for row in as_floats.data]
    assert first.parse().usage == second.parse().usage == as_floats.usage


def test_models_are_listed_and_found(deployed: Deployed) -> None:
    with deployed.client() as client:
        assert [model.id for model in client.models.list()] == ["all-MiniLM-L6-v2"]
        assert client.models.retrieve(MODEL).id == "all-MiniLM-L6-v2"


def test_errors_are_the_sdk_s_own(deployed: Deployed) -> None:
    with deployed.client("nonsense") as stranger, pytest.raises(openai.AuthenticationError) as unknown:
        stranger.embeddings.create(model=MODEL, input="a")
    assert unknown.value.code == "invalid_api_key"
    assert unknown.value.request_id
    with deployed.client() as client:
        with pytest.raises(openai.NotFoundError) as missing:
            client.embeddings.create(model="text-embedding-3-small", input="a")
        with pytest.raises(openai.BadRequestError) as long:
            client.embeddings.create(model=MODEL, input="word " * 400)
        with pytest.raises(openai.BadRequestError) as empty:
            client.embeddings.create(model=MODEL, input="")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert long.value.param == "input"
    assert empty.value.code == "invalid_value"


def test_each_invocation_writes_one_log_line_and_one_blob_of_metrics_and_no_text(deployed: Deployed) -> None:
    with deployed.client() as client:
        client.embeddings.create(model=MODEL, input="a text that must not be logged")
    lines = json.loads(run(SAM_PYTHON, "-c", _LOG, environment=deployed.aws.environment))
    ours = [json.loads(line) for message in lines for line in message.splitlines() if line.startswith("{")]
    blobs = [line for line in ours if "_aws" in line]
    logged = [line for line in ours if line.get("message") == "request"]
    assert len(blobs) == len(logged) > 0
    assert {line["request_id"] for line in blobs} == {line["request_id"] for line in logged}
    assert "must not be logged" not in "".join(lines)
    assert deployed.token not in "".join(lines)
