"""Does the doctor find a deployed stack well, and what was broken in it?"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deployed import EMBEDGE
from tests.e2e.tools import NO_ACCOUNT

if TYPE_CHECKING:
    from tests.e2e.deployed import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]


def test_a_deployed_stack_is_found_well_and_each_thing_was_looked_at(deployed: Deployed) -> None:
    status, findings = visited(deployed, f"{deployed.url}/v1")
    failed = [finding for finding in findings if finding["outcome"] == "fail"]
    # The emulator's account may run as many functions at once as it is asked for, and may not say so.
    assert [finding for finding in failed if finding["check"] != "quotas"] == []
    looked_at = {finding["check"] for finding in findings if finding["outcome"] == "ok"}
    assert looked_at >= {"keys", "targets", "endpoint", "token", "routes", "embedding", "cache", "ledger", "metrics"}
    assert status == int(bool(failed))


def test_a_stack_that_nobody_answers_for_is_found(deployed: Deployed) -> None:
    status, findings = visited(deployed, "http://127.0.0.1:9/v1")
    assert status == 1
    assert [finding["check"] for finding in findings if finding["outcome"] == "fail"][:1] == ["endpoint"]


def visited(deployed: Deployed, url: str) -> tuple[int, list[dict[str, str]]]:
    command = [*EMBEDGE, "doctor", "--json", "--url", url]
    environment = {**NO_ACCOUNT, **deployed.aws.environment, "PATH": "/usr/bin:/bin"}
    # AWS's endpoint is the emulator's, but for SageMaker, which the function is told of and an operator tells himself.
    environment["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] = deployed.sagemaker_url
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
