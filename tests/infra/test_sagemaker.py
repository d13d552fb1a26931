"""Does the local server answer botocore as SageMaker does, with TEI behind it?"""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import orjson
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from infra.local.sagemaker import ENDPOINT, MAX_BODY_BYTES, ContainerError, parse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from types_aiobotocore_sagemaker_runtime import SageMakerRuntimeClient

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-t3xt"


def start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "infra.local.sagemaker"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def port_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout
    return json.loads(process.stdout.readline())["port"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with start() as process:
        yield port_of(process)
        assert process.stdin
        process.stdin.close()
        assert process.wait(2) == 0


@asynccontextmanager
async def runtime(port: int) -> AsyncGenerator[SageMakerRuntimeClient]:
    async with get_session().create_client(  # pyright: ignore[reportUnknownMemberType]
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=AioConfig(retries={"total_max_attempts": 1}, proxies={}),
    ) as client:
        yield client


def post(port: int, body: bytes) -> tuple[int, bytes]:
    """Past botocore, which shows neither the form of a float nor takes megabytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", f"/endpoints/{ENDPOINT}/invocations", body)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


async def embed(port: int, body: object, endpoint: str = ENDPOINT) -> list[list[float]]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    async with runtime(port) as client:
        answer = await client.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=raw)
        assert answer["ContentType"] == "application/json"
        return orjson.loads(await answer["Body"].read())


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    http_status: int
    status: int | None
    original: dict[str, str]
    whole: str


async def refusal(port: int, body: object, endpoint: str = ENDPOINT) -> Refusal:
    with pytest.raises(ClientError) as raised:
        await embed(port, body, endpoint)
    response = cast("dict[str, object]", raised.value.response)
    error, metadata = (cast("dict[str, object]", response[key]) for key in ("Error", "ResponseMetadata"))
    return Refusal(
        code=str(error["Code"]),
        http_status=cast("int", metadata["HTTPStatusCode"]),
        status=cast("int | None", response.get("OriginalStatusCode")),
        original=json.loads(str(response.get("OriginalMessage", "{}"))),
        whole=repr(response) + str(raised.value),
    )


async def test_inputs_come_back_as_vectors_in_their_order(port: int) -> None:
    texts = ["the cat sat", "a much longer text about refunds and invoices", "fish"]
    together = np.array(await embed(port, {"inputs": texts, "truncate": False}))
    alone = np.array([(await embed(port, {"inputs": text}))[0] for text in texts])
    assert together.shape == (3, 384)
    np.testing.assert_allclose(together, alone, rtol=0, atol=5e-7)


def test_floats_travel_in_float32s_shortest_form(port: int) -> None:
    status, raw = post(port, b'{"inputs": "cat"}')
    assert status == 200
    assert raw == orjson.dumps(np.array(orjson.loads(raw), np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
    assert len(raw) < 384 * 16


async def test_thirty_two_inputs_pass_and_one_more_is_422(port: int) -> None:
    assert len(await embed(port, {"inputs": ["cat"] * 32})) == 32
    refused = await refusal(port, {"inputs": [SECRET] * 33})
    assert (refused.code, refused.http_status, refused.status) == ("ModelError", 424, 422)
    assert refused.original == {"error": "batch size 33 > maximum allowed batch size 32", "error_type": "Validation"}


async def test_an_input_over_256_tokens_is_413_and_never_cut(port: int) -> None:
    assert len(await embed(port, {"inputs": "cat " * 254})) == 1
    refused = await refusal(port, {"inputs": ["cat", "cat " * 255], "truncate": False})
    assert (refused.code, refused.http_status, refused.status) == ("ModelError", 424, 413)
    assert "256 tokens. Given: 257" in refused.original["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"inputs": "\xff"}', 400),
        (b'{"inputs": "\\ud800 s3cr3t-t3xt"}', 400),
        ([SECRET], 422),
        ({}, 422),
        ({"inputs": None}, 422),
        ({"inputs": [[1, 2, 3]]}, 422),
        ({"inputs": [SECRET, 7]}, 422),
        ({"inputs": {SECRET: SECRET}}, 422),
        ({"inputs": []}, 400),
        ({"inputs": [SECRET, ""]}, 400),
        ({"inputs": SECRET, "truncate": True}, 422),
        ({"inputs": SECRET, "normalize": False}, 422),
        ({"inputs": SECRET, "dimensions": 128}, 422),
        ({"inputs": SECRET, "prompt_name": SECRET}, 422),
        ({"inputs": SECRET, SECRET: 1}, 422),
    ],
)
async def test_a_body_that_is_not_served_is_refused_without_quoting_it(port: int, body: object, status: int) -> None:
    refused = await refusal(port, body)
    assert (refused.code, refused.http_status, refused.status) == ("ModelError", 424, status)
    assert SECRET not in refused.whole


def test_a_body_over_the_limit_is_413_and_heard_by_the_client(port: int) -> None:
    status, raw = post(port, b'{"inputs": "' + b"a" * 3 * MAX_BODY_BYTES + b'"}')
    assert (status, orjson.loads(raw)["OriginalStatusCode"]) == (424, 413)


async def test_an_unknown_endpoint_is_sagemakers_own_refusal(port: int) -> None:
    refused = await refusal(port, {"inputs": SECRET}, endpoint="no-such-endpoint")
    assert (refused.code, refused.http_status, refused.status) == ("ValidationError", 400, None)
    assert SECRET not in refused.whole


async def test_many_callers_at_once_each_get_their_own_vectors(port: int) -> None:
    texts = [f"caller {number} asks about fish" for number in range(12)]
    answers = await asyncio.gather(*(embed(port, {"inputs": [text, "cat"]}) for text in texts))
    alone = np.array(await embed(port, {"inputs": texts}))
    np.testing.assert_allclose([answer[0] for answer in answers], alone, rtol=0, atol=5e-7)


def test_ping_is_200(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/ping")
    assert connection.getresponse().status == 200
    connection.close()


def test_the_served_values_of_other_fields_pass() -> None:
    assert parse(b'{"inputs": "a", "truncate": false, "normalize": true, "dimensions": 384, "prompt_name": null}') == [
        "a"
    ]


def test_one_is_not_true_and_zero_is_not_false() -> None:
    with pytest.raises(ContainerError):
        parse(b'{"inputs": "a", "truncate": 0}')


def test_it_dies_with_its_parent_however_that_ended() -> None:
    source = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-m', 'infra.local.sagemaker'],"
    source += "stdin=subprocess.PIPE); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        port_of(parent)
        parent.kill()
        assert parent.stdout
        assert parent.stdout.read() == b""  # the pipe ends when its last writer, the server, is gone


def test_ctrl_c_is_left_to_the_parent_and_says_nothing() -> None:
    with start() as process:
        port_of(process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        out, errors = process.communicate(timeout=5)
        assert (process.returncode, out, errors) == (0, b"", b"")
