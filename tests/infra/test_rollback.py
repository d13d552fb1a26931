"""Would CodeDeploy take back a version that fails, as far as can be seen without AWS?

Read from what SAM makes of the template where deployments are gradual, and held to what the api function writes when it
fails, and to what Lambda's own runtime says of one that cannot start. That CodeDeploy then acts is AWS's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.function.emulator import start
from benchmarks.function.environment import Program
from tests.e2e.deploy import STACK
from tests.e2e.tools import NO_ACCOUNT, ROOT, need, python313
from tests.functions.rest_event import rest_event
from tests.infra.expanded import at, expanded, resources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.infra.expanded import Json, Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WAYS = ("Canary10Percent5Minutes", "Linear10PercentEvery10Minutes")
ALARMS = ("FaultsAlarm", "CrashesAlarm")

_INVOKE = """
import json, sys
sys.path[:0] = sys.argv[1:]
import app

class Context:
    def get_remaining_time_in_millis(self):
        return 29_900

statuses = [app.handler(event, Context())["statusCode"] for event in json.load(sys.stdin)]
print(json.dumps(statuses))
"""


@pytest.fixture(scope="module")
def gradual() -> Node:
    need("rollback", "sam")
    return expanded("template.yaml", GradualDeployment=WAYS[0])


@pytest.mark.parametrize("way", WAYS)
def test_the_alias_that_callers_reach_moves_in_steps_and_back_when_an_alarm_goes_off(way: str) -> None:
    need("rollback", "sam")
    template = expanded("template.yaml", GradualDeployment=way)
    ((name, alias),) = resources(template, "AWS::Lambda::Alias").items()
    ((group_name, group),) = resources(template, "AWS::CodeDeploy::DeploymentGroup").items()
    ((application, _),) = resources(template, "AWS::CodeDeploy::Application").items()
    update = at(alias, "UpdatePolicy", "CodeDeployLambdaAliasUpdate")
    assert update == {"ApplicationName": {"Ref": application}, "DeploymentGroupName": {"Ref": group_name}}
    properties = at(group, "Properties")
    assert properties["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
    assert properties["DeploymentConfigName"] == {
        "Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": way}]
    }
    assert at(properties, "DeploymentStyle")["DeploymentOption"] == "WITH_TRAFFIC_CONTROL"
    assert at(properties, "AutoRollbackConfiguration")["Enabled"] is True
    wanted = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"}
    assert wanted <= set(_list(at(properties, "AutoRollbackConfiguration")["Events"]))
    named: Json = [{"Name": {"Ref": alarm}} for alarm in ALARMS]
    assert properties["AlarmConfiguration"] == {"Fn::If": ["Gradual", {"Alarms": named, "Enabled": True}, {}]}
    assert at(template, "Conditions")["Gradual"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "GradualDeployment"}, "false"]}]
    }
    (api,) = resources(template, "AWS::ApiGateway::RestApi").values()
    paths = at(api, "Properties", "Body", "paths")
    called = [
        str(at(paths, path, method)["x-amazon-apigateway-integration"]) for path in paths for method in at(paths, path)
    ]
    assert all(f"${{{name}}}/invocations" in one for one in called)
    assert called


def test_three_faults_in_a_minute_set_it_off_and_nothing_less_at_any_log_level(gradual: Node) -> None:
    alarm = at(gradual, "Resources", "FaultsAlarm", "Properties")
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 60, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    unknown, refused = rest_event("GET", "/v1/nothing", {}, None), rest_event("GET", "/v1/embeddings", {}, None)
    failing = rest_event("POST", "/v1/embeddings", {}, "{}")  # nobody's tables can be read
    for level in _list(at(gradual, "Parameters", "LogLevel")["AllowedValues"]):
        statuses, blobs = _asked(gradual, str(level), [failing, unknown, failing, refused, failing])
        assert statuses == [503, 404, 503, 405, 503]
        assert _watched(alarm, blobs) == alarm["Threshold"] == 3
        assert _watched(alarm, blobs[:-1]) == 2


def test_a_version_that_cannot_start_says_nothing_of_faults_and_is_an_error_of_the_alias_that_the_other_alarm_watches(
    gradual: Node, tmp_path: Path
) -> None:
    need("rollback", "python3.13", "runtime")
    python = python313()
    assert python is not None
    runtime = ROOT / ".tools/runtime/lib/python3.13/site-packages"
    without_layers = Program("broken", python, [ROOT / "functions/api", runtime], {})
    with pytest.raises(SystemExit, match=r"'errorType': 'Runtime.ImportModuleError'"):
        start(without_layers, [json.dumps(rest_event("GET", "/health", {}, None)).encode()], tmp_path)
    assert '"_aws"' not in (tmp_path / "emulator.log").read_text(errors="replace")
    # What is counted, and under which names: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    alarm = at(gradual, "Resources", "CrashesAlarm", "Properties")
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    function = _text(at(gradual, "Resources", "ApiFunction", "Properties")["FunctionName"])
    (alias,) = resources(gradual, "AWS::Lambda::Alias").values()
    assert at(alias, "Properties")["FunctionName"] == {"Ref": "ApiFunction"}
    assert _dimensions(alarm) == {"FunctionName": function, "Resource": f"{function}:{at(alias, 'Properties')['Name']}"}


def _asked(
    template: Node, level: str, events: Sequence[Mapping[str, Any]]
) -> tuple[list[int], list[Mapping[str, Any]]]:
    """What the api function answers where it reaches nothing, and the blobs of metrics that it writes."""
    variables = at(template, "Resources", "ApiFunction", "Properties", "Environment", "Variables")
    names = ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE")
    assert variables["POWERTOOLS_LOG_LEVEL"] == {"Ref": "LogLevel"}
    environment = {
        **NO_ACCOUNT,
        **{name: _text(variables[name]) for name in names},
        **{f"EMBEDGE_{table}_TABLE": "nowhere" for table in ("CONTROL", "LEDGER", "CACHE")},
        "POWERTOOLS_LOG_LEVEL": level,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-c", _INVOKE, str(ROOT / "functions/api"), str(ROOT / "layers/embedge")]
    done = subprocess.run(
        command, env=environment, input=json.dumps(events), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    *lines, statuses = map(json.loads, done.stdout.splitlines())
    return statuses, [line for line in lines if "_aws" in line]


def _watched(alarm: Node, blobs: Sequence[Mapping[str, Any]]) -> float:
    """The sum of the one metric that an alarm watches, as CloudWatch makes metrics of blobs: all dimensions must agree.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    return sum(
        sum(blob[metric["Name"]])
        for blob in blobs
        for directive in blob["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
        if (directive["Namespace"], metric["Name"]) == (alarm["Namespace"], alarm["MetricName"])
        and {name: blob[name] for name in dimensions} == _dimensions(alarm)
    )


def _dimensions(alarm: Node) -> Mapping[str, str]:
    listed = [one for one in _list(alarm["Dimensions"]) if isinstance(one, dict)]
    return {str(one["Name"]): _text(one["Value"]) for one in listed}


def _text(value: Json) -> str:
    """What a value comes to in a stack of this name."""
    match value:
        case {"Ref": "AWS::StackName"}:
            return STACK
        case {"Fn::Sub": str(text)}:
            return text.replace("${AWS::StackName}", STACK)
        case _:
            return str(value)


def _list(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value
