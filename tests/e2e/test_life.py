"""What becomes of a deployment when it is updated, when an update fails, and when its options are taken away again?

The last that uses the shared deployment, since each test here leaves another one.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.curl import Answer, curl
from tests.e2e.deploy import STACK, deploy
from tests.e2e.deployed import MODEL
from tests.e2e.tools import SAM_PYTHON, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]

OWN_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# All that can be turned on, but for what ministack cannot be without: another Region, and its own keys' policies.
OPTIONS = {
    "AccessLogs": "true",
    "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012",
    "DomainName": "embeddings.example.com",
    "EndpointType": "REGIONAL",
    "GpuDimensions": "384",
    "GpuMaxInputTokens": "256",
    "GpuModel": OWN_MODEL,
    "GpuScaleToZero": "true",
    "GradualDeployment": "Canary10Percent5Minutes",
    "LatencyRecords": "true",
    "MinimumCompressionBytes": "1024",
    "RequestsPerMinutePerIp": "6000",
    "ReservedConcurrency": "20",
    "Tracing": "Active",
    "DefaultRequestsPerMinute": "5000",
}
_ZONE = """
import boto3
zone = boto3.client("route53").create_hosted_zone(Name="example.com", CallerReference="test")["HostedZone"]["Id"]
print(zone.rsplit("/", 1)[1])
"""
_CACHED = """
import boto3, json, sys
stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
table = next(one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == "CacheTable")
pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table, ProjectionExpression="k")
print(json.dumps([item["k"]["B"].hex() for page in pages for item in page["Items"]]))
"""
_STATUS = """
import boto3, json, sys
stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
function = boto3.client("lambda")
name = sys.argv[1] + "-api"
alias = function.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
versions = [one["Version"] for one in function.list_versions_by_function(FunctionName=name)["Versions"]]
print(json.dumps([stack["StackStatus"], alias, versions]))
"""


def test_an_update_that_turns_everything_on_loses_nothing_and_brings_a_model_with_its_route(
    deployed: Deployed, real_texts: tuple[str, ...]
) -> None:
    before = embedded(deployed, real_texts)
    spent, kept = taken(deployed), cached(deployed)
    _, version, _ = state(deployed)
    zone = run(SAM_PYTHON, "-c", _ZONE, environment=deployed.aws.environment).strip()
    updated = changed(deployed, HostedZoneId=zone, **OPTIONS)
    status, newer, versions = state(updated)  # an old version would cost what its snapshot does
    assert (status, versions) == ("UPDATE_COMPLETE", ["$LATEST", newer])
    assert newer != version
    assert kept
    assert kept <= cached(updated)
    again = hit(updated, real_texts)  # by another process, so from the table
    assert again.headers["x-ratelimit-limit-requests"] == "5000"
    assert again.json()["data"] == before.json()["data"]
    assert taken(updated) >= spent > 0
    assert embedded(updated, real_texts[:1], OWN_MODEL).headers["x-embedge-target"] == "gpu"


def test_an_update_that_cannot_be_made_is_rolled_back_and_nobody_notices(
    deployed: Deployed, real_texts: tuple[str, ...], tmp_path: Path
) -> None:
    shutil.copytree(deployed.built, broken := tmp_path / "broken")
    template = yaml.safe_load((broken / "template.yaml").read_text())
    template["Resources"]["ApiFunction"]["Properties"]["CodeUri"] = "s3://no-such-bucket/no-such-code"
    (broken / "template.yaml").write_text(yaml.safe_dump(template))
    before, kept = state(deployed), cached(deployed)
    with pytest.raises(AssertionError, match="ROLLBACK"):
        changed(replace(deployed, built=broken), LogLevel="DEBUG")
    assert state(deployed) == ["UPDATE_ROLLBACK_COMPLETE", *before[1:]]
    assert kept <= cached(deployed)
    hit(deployed, real_texts)


def test_an_option_that_is_turned_off_takes_what_it_brought_with_it(
    deployed: Deployed, real_texts: tuple[str, ...]
) -> None:
    kept = cached(deployed)
    # What is not given stays as it was, so each says its default.
    parameters = yaml.safe_load((deployed.built / "template.yaml").read_text())["Parameters"]
    plain = changed(deployed, **{name: str(parameters[name]["Default"]) for name in (*OPTIONS, "HostedZoneId")})
    assert kept <= cached(plain)
    hit(plain, real_texts)
    unknown = embedded(plain, real_texts[:1], OWN_MODEL)
    assert (unknown.status, unknown.error()["code"]) == (404, "model_not_found")


def changed(deployed: Deployed, **parameters: str) -> Deployed:
    """The same stack, deployed again with these parameters over those that it had at first."""
    return replace(deployed, url=deploy(deployed.built, deployed.aws, {**deployed.parameters, **parameters}).url)


def embedded(deployed: Deployed, texts: Sequence[str], model: str = MODEL) -> Answer:
    body = json.dumps({"model": model, "input": texts}).encode()
    return curl(
        f"{deployed.url}/v1/embeddings", *deployed.bearer(), "--header", "Content-Type: application/json", body=body
    )


def hit(deployed: Deployed, texts: Sequence[str]) -> Answer:
    """What is answered from the cache. A busy machine may be slower once than a lookup has time, which is a miss."""
    answers = (embedded(deployed, texts) for _ in range(3))
    only_hits = f"hits={len(texts)}; misses=0"
    answer = next((one for one in answers if one.headers["x-embedge-cache"] == only_hits), None)
    assert answer is not None
    return answer


def cached(deployed: Deployed) -> set[str]:
    """The keys of what the cache's table holds."""
    return set(json.loads(run(SAM_PYTHON, "-c", _CACHED, STACK, environment=deployed.aws.environment)))


def taken(deployed: Deployed) -> float:
    """What is taken of today's budget, in dollars."""
    budgets = curl(f"{deployed.url}/v1/usage", *deployed.bearer()).json()["budgets"]
    return next(float(one["taken_usd"]) for one in budgets if one["period"] == "day")


def state(deployed: Deployed) -> list[object]:
    """How the stack is, the version that callers reach, and all that there are."""
    return json.loads(run(SAM_PYTHON, "-c", _STATUS, STACK, environment=deployed.aws.environment))
