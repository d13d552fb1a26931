"""Does `sam local start-api` serve the built function, in a container that has nothing but what is shipped?

`make test-sam-local` runs this and its neighbour, and fails where no engine can be had.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openai
import pytest

from infra.local.routes import embedded_model
from tests.containers.engine import Engine, container_engine, need_engine
from tests.containers.image import make
from tests.e2e.curl import curl
from tests.e2e.deploy import build
from tests.e2e.ministack import Ministack, ministack
from tests.e2e.sagemaker import sagemaker
from tests.e2e.tables import VARIABLES, fill
from tests.e2e.tools import NO_ACCOUNT, SAM, need

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("containers")]

MODEL = "local/minilm"
TEXTS = ["in a container", "with nothing but what is shipped", "in a container"]
_START_S = 120.0
_GATEWAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Local:
    """What `sam local start-api` serves: its root, and a token for it."""

    url: str
    token: str

    def client(self, token: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    need("sam local", "python3.13", "sam", "ministack", "runtime")
    need_engine("sam local")
    folder = tmp_path_factory.mktemp("sam-local")
    built = build(folder / "built")
    with (
        container_engine() as engine,
        sagemaker(host=engine.gateway) as model,
        ministack("dynamodb", "sts", host=engine.gateway) as aws,
    ):
        image = make(engine)
        token = fill(aws.endpoint, folder / "state", [embedded_model(None)])
        with _start_api(engine, image, built, _told(folder, aws), model) as (url, log):
            # SAM says of each request that it came when SAM was started: by then it would have been too late for all.
            time.sleep(_GATEWAY_S)
            yield Local(url, token)
            print(log.read_text(errors="replace")[-20_000:])  # noqa: T201 (shown where a test has failed)


def test_openai_python_gets_its_vectors_and_the_second_time_they_are_hits(local: Local) -> None:
    with local.client() as client:
        first = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
        second = client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
    assert first.headers["x-embedge-cache"] == "hits=0; misses=2"
    assert second.headers["x-embedge-cache"] == "hits=3; misses=0"
    vectors = [row.embedding for row in first.parse().data]
    assert vectors == [row.embedding for row in second.parse().data]
    assert vectors[0] == vectors[2] != vectors[1]
    assert {len(vector) for vector in vectors} == {384}


def test_openai_python_gets_its_errors(local: Local) -> None:
    with local.client("nobody's") as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.embeddings.create(model=MODEL, input="x")
    assert refused.value.code == "invalid_api_key"
    with local.client() as client, pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="no-such-model", input="x")
    assert unknown.value.code == "model_not_found"
    with local.client() as client, pytest.raises(openai.BadRequestError) as empty:
        client.embeddings.create(model=MODEL, input=[])
    assert empty.value.param == "input"


def test_curl_gets_a_vector_and_an_error(local: Local) -> None:
    bearer = ("--header", f"Authorization: Bearer {local.token}", "--header", "Content-Type: application/json")
    asked = json.dumps({"model": MODEL, "input": "curl", "encoding_format": "float"}).encode()
    answer = curl(f"{local.url}/v1/embeddings", *bearer, body=asked)
    assert answer.status == 200, answer.body
    assert [len(row["embedding"]) for row in answer.json()["data"]] == [384]
    broken = curl(f"{local.url}/v1/embeddings", *bearer, body=b'{"model": ')
    assert (broken.status, broken.error()["code"]) == (400, "invalid_json")
    nothing = curl(f"{local.url}/v1/nothing", *bearer)
    assert (nothing.status, nothing.error()["code"]) == (404, "unknown_url")


def _told(folder: Path, aws: Ministack) -> Path:
    """Return the file that says what the function's environment is, where the template leaves it to other resources."""
    variables = {**VARIABLES, "EMBEDGE_ANSWERS_BUCKET": "", "AWS_ENDPOINT_URL_DYNAMODB": aws.endpoint}
    (file := folder / "variables.json").write_text(json.dumps({"ApiFunction": variables}))
    return file


@contextmanager
def _start_api(engine: Engine, image: str, built: Path, variables: Path, model: str) -> Generator[tuple[str, Path]]:
    """Start it; give its URL and its log, once it serves."""
    port, log = _free_port(), variables.with_name("sam.log")
    command = [
        *(str(SAM), "local", "start-api", "--template-file", str(built / "template.yaml"), "--port", str(port)),
        *("--skip-pull-image", "--invoke-image", image, "--warm-containers", "LAZY", "--env-vars", str(variables)),
        *("--layer-cache-basedir", str(variables.with_name("layers"))),
        *("--parameter-overrides", f"SageMakerRuntimeUrl={model}", "SageMakerEndpointNames=all-MiniLM-L6-v2"),
    ]
    # SAM asks STS who it is, and waits for seconds where nobody answers.
    endpoint = json.loads(variables.read_text())["ApiFunction"]["AWS_ENDPOINT_URL_DYNAMODB"]
    variables_of_sam = {**os.environ, **NO_ACCOUNT, "DOCKER_HOST": engine.url, "AWS_ENDPOINT_URL_STS": endpoint}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=built, env=variables_of_sam, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_listening(process, port, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"sam local start-api did not start:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
