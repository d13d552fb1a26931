"""Does any template leave something open that is not left open on purpose?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.tools import CHECKOV, ROOT, need, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("checkov")]

CONFIGURATION = ROOT / "tests/tools/checkov.yaml"
TEMPLATES = ["template.yaml", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))]
OPEN = """
Resources:
  Open:
    Type: AWS::SQS::Queue
  Wide:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: wide
      Roles: [somebody]
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What it finds in our templates, and in one that is open: it takes ten seconds to start."""
    need("checkov", "checkov")
    (planted := tmp_path_factory.mktemp("open") / "open.yaml").write_text(OPEN)
    files = [argument for one in (*TEMPLATES, planted) for argument in ("--file", one)]
    # `--soft-fail`: what was found is in the report, and another status is a fault of checkov's.
    said = run(CHECKOV, "--config-file", CONFIGURATION, "--soft-fail", "--output", "json", *files)
    return json.loads(said)["results"]


def test_checkov_has_nothing_to_say_about_any_template(results: dict[str, list[dict[str, Any]]]) -> None:
    looked_at = {one["file_path"].lstrip("/") for kind in ("passed", "skipped") for one in results[f"{kind}_checks"]}
    assert looked_at.issuperset(TEMPLATES)
    ours = [one for one in results["failed_checks"] if not one["file_path"].endswith("/open.yaml")]
    assert [f"{one['check_id']} {one['resource']} {one['check_name']}" for one in ours] == []


def test_what_is_skipped_says_why(results: dict[str, list[dict[str, Any]]]) -> None:
    assert results["skipped_checks"]
    assert all(len(one["check_result"]["suppress_comment"]) > 20 for one in results["skipped_checks"])


def test_checkov_would_say_so(results: dict[str, list[dict[str, Any]]]) -> None:
    planted = [one for one in results["failed_checks"] if one["file_path"].endswith("/open.yaml")]
    assert {"CKV_AWS_27", "CKV_AWS_63"} <= {one["check_id"] for one in planted}
