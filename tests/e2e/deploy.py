"""How does a test get the product running? `sam build` and `sam deploy`, as for AWS, but into ministack."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.e2e.sam_build import sam_built
from tests.e2e.tools import SAM, SAM_PYTHON, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.e2e.ministack import Ministack

STACK = "embedge"

# `sam delete` reads the bucket out of the nested stack's URL and fails on one that is not S3's own, so the
# stack is deleted as the console would: https://github.com/aws/aws-sam-cli/blob/v1.170.0/samcli/lib/utils/s3.py
_DELETE = """
import boto3, sys
cloudformation = boto3.client("cloudformation")
cloudformation.delete_stack(StackName=sys.argv[1])
cloudformation.get_waiter("stack_delete_complete").wait(StackName=sys.argv[1], WaiterConfig={"Delay": 1})
"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was deployed: the stack's outputs, and the URL of its API's root (no slash at its end)."""

    outputs: Mapping[str, str]
    url: str


def build(into: Path) -> Path:
    """Copy what `sam build` made to this folder, which must not exist: a folder for each function and layer."""
    return shutil.copytree(sam_built(), into, copy_function=shutil.copy)


def deploy(built: Path, aws: Ministack, parameters: Mapping[str, str] | None = None) -> Deployment:
    """Deploy what `build` built, with these parameters of the template."""
    # In quotes, or SAM would cut a value at its first space, and refuse an empty one.
    overrides = [f'{name}="{value}"' for name, value in (parameters or {}).items()]
    run(
        *(SAM, "deploy", "--template-file", built / "template.yaml", "--stack-name", STACK),
        *(
            "--resolve-s3",
            "--capabilities",
            "CAPABILITY_IAM",
            "CAPABILITY_AUTO_EXPAND",
            "--no-progressbar",
            "--no-fail-on-empty-changeset",
        ),
        *(("--parameter-overrides", *overrides) if overrides else ()),
        environment=aws.environment,
        cwd=built,
    )
    listed = run(SAM, "list", "stack-outputs", "--stack-name", STACK, "--output", "json", environment=aws.environment)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in json.loads(listed)}
    return Deployment(outputs, _url_in(aws, outputs["ApiUrl"]))


def delete(aws: Ministack) -> None:
    """Delete the stack, and wait until it is gone."""
    run(SAM_PYTHON, "-c", _DELETE, STACK, environment=aws.environment)


def _url_in(aws: Ministack, url: str) -> str:
    # https://<api>.execute-api.<region>.amazonaws.com/<stage>/v1 -> <endpoint>/_aws/execute-api/<api>/<stage>
    parts = urlsplit(url)
    api = parts.netloc.partition(".")[0]
    stage = parts.path.split("/")[1]
    return f"{aws.endpoint}/_aws/execute-api/{api}/{stage}"
