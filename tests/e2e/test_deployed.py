"""Does the deployed whole give openai-python its vectors and its errors?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import openai
import pytest

from tests.e2e.curl import curl
from tests.e2e.deployed import MODEL
from tests.e2e.passages import embedded_twice
from tests.e2e.tools import SAM_PYTHON, run

if TYPE_CHECKING:
    from infra.local.minilm import MiniLM
    from tests.e2e.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]

LEAST_COSINE = 0.99999  # the last bits may differ with the texts embedded beside it
_LOG = """
import boto3, json
logs = boto3.client("logs")
group = next(g["logGroupName"] for g in logs.describe_log_groups()["logGroups"] if g["logGroupName"].endswith("-api"))
print(json.dumps([event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]))
"""

# The emulator has no TLS, and the bucket's policy refuses, here too, whoever comes without.
_ALLOW_PLAIN_HTTP = """
import boto3, json
s3 = boto3.client("s3")
(bucket,) = [one["Name"] for one in s3.list_buckets()["Buckets"] if "answers" in one["Name"]]
policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != "RefuseWithoutTls"]
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
"""


def test_real_passages_get_their_vectors_and_the_second_time_are_hits_that_cost_nothing(
    deployed: Deployed, real_texts: tuple[str, ...], minilm: MiniLM
) -> None:
    with deployed.client() as client:
        vectors = embedded_twice(client, MODEL, real_texts)
    ours = np.array([np.frombuffer(vector, "<f4") for vector in vectors])
    cosines = (ours * minilm.embed(real_texts)).sum(axis=1)
    assert cosines.min() > LEAST_COSINE


def test_the_upstream_is_given_each_passage_once_and_what_it_answered_is_kept_to_the_last_bit(
    deployed: Deployed, real_texts: tuple[str, ...]
) -> None:
    earlier = len(deployed.upstream.bodies)
    with deployed.client() as client:
        vectors = embedded_twice(client, "large", real_texts)
    given = [text for body in deployed.upstream.bodies[earlier:] for text in body["input"]]
    assert sorted(given) == sorted(set(real_texts))
    assert vectors == tuple(deployed.upstream.vector_of(text).astype("<f4").tobytes() for text in real_texts)


def test_an_answer_that_is_larger_than_lambda_returns_is_fetched_from_s3_without_the_token(deployed: Deployed) -> None:
    texts = [f"text {number}" for number in range(1000)]
    with deployed.client() as client:
        with pytest.raises(openai.InternalServerError, match="not paid for twice") as refused:
            client.embeddings.create(model="large", input=texts)
        assert refused.value.status_code == 503
        run(SAM_PYTHON, "-c", _ALLOW_PLAIN_HTTP, environment=deployed.aws.environment)
        raw = client.embeddings.with_raw_response.create(model="large", input=texts)
    (first,) = raw.http_response.history
    assert first.status_code == 303
    assert first.headers["x-embedge-cache"].startswith("hits=")
    assert raw.http_response.url.params["X-Amz-Expires"] == "120"
    if raw.http_response.url.port != first.url.port:  # the emulator is one origin, and S3 another than API Gateway
        assert "authorization" not in raw.http_response.request.headers
    vectors = [row.embedding for row in raw.parse().data]
    assert all(
        vector == deployed.upstream.vector_of(text).tolist() for vector, text in zip(vectors, texts, strict=True)
    )


def test_models_are_listed_and_found(deployed: Deployed) -> None:
    with deployed.client() as client:
        assert {model.id for model in client.models.list()} == {"all-MiniLM-L6-v2", "large"}
        assert client.models.retrieve(MODEL).id == "all-MiniLM-L6-v2"  # the SDK escapes its slash
    plain = curl(f"{deployed.url}/v1/models/{MODEL}", *deployed.bearer())
    assert (plain.status, plain.json()["id"]) == (200, "all-MiniLM-L6-v2")


class Refused(NamedTuple):
    """A call that is refused, and how openai-python says so."""

    model: str
    inputs: str | list[str]
    error: type[openai.APIStatusError]
    code: str
    param: str | None


REFUSED = [
    Refused(MODEL, "", openai.BadRequestError, "invalid_value", "input"),
    Refused(MODEL, ["a", ""], openai.BadRequestError, "invalid_value", "input[1]"),
    Refused(MODEL, [], openai.BadRequestError, "empty_array", "input"),
    Refused(MODEL, ["a"] * 2049, openai.BadRequestError, "array_above_max_length", "input"),
    Refused("text-embedding-3-small", "a", openai.NotFoundError, "model_not_found", "model"),
    Refused(MODEL, [f"{i:040}" for i in range(2000)], openai.RateLimitError, "rate_limit_exceeded", None),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: f"{refused.code} {refused.param}")
def test_errors_are_the_sdk_s_own(deployed: Deployed, refused: Refused) -> None:
    with deployed.client() as client, pytest.raises(refused.error) as caught:
        client.embeddings.create(model=refused.model, input=refused.inputs)
    assert_is_whole(caught.value, refused.code, refused.param)


def test_a_text_that_the_model_refuses_is_the_caller_s_400(deployed: Deployed) -> None:
    with deployed.client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MODEL, input="word " * 400)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "input[0]")


def test_a_token_opens_what_it_names_and_nothing_else(deployed: Deployed) -> None:
    other_model, other_scope = deployed.mint("--model", "other-*"), deployed.mint("--scope", "models")
    with deployed.client("nonsense") as stranger, pytest.raises(openai.AuthenticationError) as unknown:
        stranger.embeddings.create(model=MODEL, input="a")
    assert_is_whole(unknown.value, "invalid_api_key", None)
    with deployed.client(other_model) as client, pytest.raises(openai.PermissionDeniedError) as model:
        client.embeddings.create(model=MODEL, input="a")
    assert_is_whole(model.value, "model_not_allowed", "model")
    with deployed.client(other_scope) as client, pytest.raises(openai.PermissionDeniedError) as scope:
        client.embeddings.create(model=MODEL, input="a")
    assert_is_whole(scope.value, "insufficient_scope", None)


def assert_is_whole(error: openai.APIStatusError, code: str, param: str | None) -> None:
    """Hold an error to what an SDK reads of it."""
    assert (error.code, error.param) == (code, param)
    assert error.message
    assert error.type
    assert error.request_id
    assert error.response.json()["error"].keys() == {"message", "type", "param", "code"}


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
