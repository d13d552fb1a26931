"""Does the template say what the design promises, before anything is deployed?"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from embedge import guard
from embedge.core.generations import GENERATIONS
from embedge.core.kept_answer import LINK_VALID_S
from tests.e2e.tools import CFN_LINT, ROOT, SAM, need, run
from tests.infra.expanded import at, expanded, resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.expanded import Json, Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT_TEMPLATE = "template.yaml"
NESTED_TEMPLATES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))
# What has no ARNs, is done before there is a resource, or about all of a kind:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms
OF_NO_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "ecr:GetAuthorizationToken"}
# Every option on: what a deployment has that takes all of them.
EVERYTHING: dict[str, str | int] = {
    "AccessLogs": "true",
    "AlarmEmail": "platform@example.com",
    "Alarms": "true",
    "Architecture": "arm64",
    "BudgetSpentStatus": 402,
    "BudgetUsdPer24h": 100,
    "CanarySchedule": "rate(1 hour)",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
    "ControlReplicaSecondRegion": "eu-west-1",
    "CorsAllowedOrigins": "*",
    "Dashboard": "true",
    "DomainName": "embeddings.example.com",
    "EndpointType": "REGIONAL",
    "GpuModel": "BAAI/bge-m3",
    "GpuScaleToZero": "true",
    "GradualDeployment": "Canary10Percent5Minutes",
    "HostedZoneId": "Z2FDTNDATAQYW2",
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/mrk-1234567890abcdef1234567890abcdef",
    "LatencyRecords": "true",
    "MinimumCompressionBytes": "1024",
    "RequestsPerMinutePerIp": "6000",
    "ReservedConcurrency": "100",
    "SnapStart": "PublishedVersions",
    "Tracing": "Active",
}
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


@pytest.fixture(scope="module")
def templates() -> dict[str, Node]:
    need("template", "sam")
    names = (ROOT_TEMPLATE, *NESTED_TEMPLATES)
    return {name: expanded(name) for name in names}


def test_sam_finds_the_template_valid() -> None:
    need("template", "sam")
    run(SAM, "validate", "--lint", "--template-file", ROOT / ROOT_TEMPLATE)


def test_cfn_lint_finds_nothing_to_say_about_any_template() -> None:
    need("template", "sam")
    run(CFN_LINT, ROOT_TEMPLATE, *NESTED_TEMPLATES)


def test_what_is_off_by_default_is_as_sound_as_the_rest(templates: dict[str, Node], tmp_path: Path) -> None:
    everything = expanded(ROOT_TEMPLATE, GradualDeployment="Canary10Percent5Minutes", SnapStart="PublishedVersions")
    everything["Parameters"] = {name: _chosen(name, one) for name, one in at(everything, "Parameters").items()}
    (template := tmp_path / "template.json").write_text(json.dumps(everything))
    (tmp_path / "infra").symlink_to(ROOT / "infra")
    run(CFN_LINT, "--ignore-checks", "W", "--", template)
    for nested in NESTED_TEMPLATES:
        given, parameters = _given_by(everything, nested), at(templates[nested], "Parameters")
        assert given <= parameters.keys()
        assert {name for name in parameters if "Default" not in at(parameters, name)} <= given, nested


def test_no_statement_reaches_every_resource_or_every_action(templates: dict[str, Node]) -> None:
    statements = [one for template in templates.values() for one in _statements(template)]
    allowed = [one for one in statements if "Principal" not in one]  # trust policies name no resource
    assert allowed
    for statement in allowed:
        for action in map(str, _list(statement["Action"])):
            assert "*" not in _list(statement["Resource"]) or _has_no_arns(action), action
        assert not [action for action in _list(statement["Action"]) if "*" in str(action)]
        assert not {"NotAction", "NotResource"} & statement.keys()


def test_no_role_takes_a_policy_that_is_not_written_here(templates: dict[str, Node]) -> None:
    roles = [role for one in templates.values() for role in resources(one, "AWS::IAM::Role").values()]
    assert roles
    assert not [role for role in roles if "ManagedPolicyArns" in at(role, "Properties")]


def test_the_api_role_reads_control_and_writes_nothing_there_but_purges(templates: dict[str, Node]) -> None:
    reading, purging = _of_control(templates[ROOT_TEMPLATE], "ApiRole")
    assert _list(reading["Action"]) == ["dynamodb:Query"]
    assert _list(purging["Action"]) == ["dynamodb:PutItem"]
    assert purging["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [GENERATIONS]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_the_canary_writes_routes_and_nothing_else_in_control_and_reaches_no_other_table(
    templates: dict[str, Node],
) -> None:
    (statement,) = _of_control(templates[ROOT_TEMPLATE], "CanaryRole")
    assert _list(statement["Action"]) == ["dynamodb:Query", "dynamodb:PutItem"]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ROUTES"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    role = resources(templates[ROOT_TEMPLATE], "AWS::IAM::Role")["CanaryRole"]
    assert sum("dynamodb:" in json.dumps(one["Action"]) for one in _statements(role)) == 1


def test_the_guard_writes_tenants_and_nothing_else_in_control_and_reaches_no_other_table(
    templates: dict[str, Node],
) -> None:
    (statement,) = _of_control(templates[ROOT_TEMPLATE], "GuardRole")
    assert _list(statement["Action"]) == ["dynamodb:Query", "dynamodb:PutItem"]
    assert statement["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["TENANT#*", "TENANTS", "CHANGES"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    role = resources(templates[ROOT_TEMPLATE], "AWS::IAM::Role")["GuardRole"]
    assert sum("dynamodb:" in json.dumps(one["Action"]) for one in _statements(role)) == 1


def test_reconcile_reads_one_log_and_reaches_the_ledger_alone(templates: dict[str, Node]) -> None:
    role = resources(templates[ROOT_TEMPLATE], "AWS::IAM::Role")["ReconcileRole"]
    allowed = {str(one["Sid"]): one for one in _statements(role) if "Sid" in one}
    assert allowed.keys() == {"CompareAndAdd", "ReadTheLog", "UseTheKey", "KeepWhatFailed", "WriteLogs"}
    assert allowed["CompareAndAdd"]["Resource"] == {"Fn::GetAtt": ["Storage", "Outputs.LedgerTableArn"]}
    assert _list(allowed["CompareAndAdd"]["Action"]) == ["dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"]
    assert _list(allowed["ReadTheLog"]["Action"]) == ["logs:FilterLogEvents"]
    assert all("ApiLogGroup" in json.dumps(one) for one in _list(allowed["ReadTheLog"]["Resource"]))


def test_the_canary_asks_the_servers_that_the_api_function_asks(templates: dict[str, Node]) -> None:
    roles = resources(templates[ROOT_TEMPLATE], "AWS::IAM::Role")
    shared = {"InvokeEndpoints", "ReadSecrets", "ReadSecretParameters", "NeverTheSigningKey", "InvokeModels"}
    api, canary = (
        {str(one["Sid"]): one for one in _statements(roles[name]) if one.get("Sid") in shared}
        for name in ("ApiRole", "CanaryRole")
    )
    assert api.keys() == shared
    assert api == canary


def test_there_is_no_canary_unless_a_schedule_is_given(templates: dict[str, Node]) -> None:
    template = templates[ROOT_TEMPLATE]
    assert at(template, "Parameters", "CanarySchedule")["Default"] == ""
    made = {name: one for name, one in at(template, "Resources").items() if name.startswith("Canary")}
    assert len(made) == 5  # function, role, log group, rule, permission
    assert all(isinstance(one, dict) and one["Condition"] == "HasCanary" for one in made.values())


def test_every_method_of_every_path_reaches_the_function(templates: dict[str, Node]) -> None:
    (api,) = resources(templates[ROOT_TEMPLATE], "AWS::ApiGateway::RestApi").values()
    paths = at(api, "Properties", "Body", "paths")
    assert set(paths) == {"/", "/{proxy+}"}
    assert all(set(at(paths, path)) == METHODS for path in paths)


def test_what_cannot_be_made_again_is_backed_up_and_outlives_its_stack(templates: dict[str, Node]) -> None:
    storage = templates["infra/storage.yaml"]
    assert at(storage, "Parameters", "KeepTables")["Default"] == "true"
    assert at(templates[ROOT_TEMPLATE], "Parameters", "KeepTables")["Default"] == "true"
    for name in ("Control", "Ledger"):
        table = at(storage, "Resources", name)
        assert table["DeletionPolicy"] == {"Fn::If": ["KeepsTables", "RetainExceptOnCreate", "Delete"]}
        assert table["UpdateReplacePolicy"] == "Retain"
    backed_up = {"PointInTimeRecoveryEnabled": True}
    assert at(storage, "Resources", "Ledger", "Properties")["PointInTimeRecoverySpecification"] == backed_up
    for replica in _replicas(storage):
        assert replica["PointInTimeRecoverySpecification"] == backed_up


def test_with_a_key_of_the_operator_s_everything_that_is_kept_is_encrypted_with_it(templates: dict[str, Node]) -> None:
    storage, root = templates["infra/storage.yaml"], templates[ROOT_TEMPLATE]
    kept = (
        *resources(storage, "AWS::DynamoDB::Table").values(),
        *_replicas(storage),
        *resources(storage, "AWS::S3::Bucket").values(),
        *resources(root, "AWS::Logs::LogGroup").values(),
        *resources(root, "AWS::Lambda::Function").values(),
        *resources(root, "AWS::SQS::Queue").values(),
    )
    assert len(kept) > 10
    assert not [one for one in kept if "KmsKeyArn" not in json.dumps(one)]
    for role in resources(root, "AWS::IAM::Role"):
        if role != "DeploymentRole":
            assert "UseTheKey" in [one.get("Sid") for one in _statements(at(root, "Resources", role))], role


def test_large_answers_are_private_encrypted_and_gone_in_two_days(templates: dict[str, Node]) -> None:
    (bucket,) = resources(templates["infra/storage.yaml"], "AWS::S3::Bucket").values()
    properties = at(bucket, "Properties")
    assert set(at(properties, "PublicAccessBlockConfiguration").values()) == {True}
    assert at(properties, "OwnershipControls") == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "AES256" in json.dumps(properties["BucketEncryption"])
    assert "VersioningConfiguration" not in properties
    (rule,) = _list(at(properties, "LifecycleConfiguration")["Rules"])
    assert isinstance(rule, dict)
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 1)
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    # CloudFormation could not delete it while something is in it, and that would keep the whole stack.
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_nobody_at_all_reads_answers_without_tls_or_by_an_old_link(templates: dict[str, Node]) -> None:
    (policy,) = resources(templates["infra/storage.yaml"], "AWS::S3::BucketPolicy").values()
    statements = {str(one["Sid"]): one for one in _statements(policy)}
    assert {(str(one["Effect"]), str(one["Principal"]), str(one["Action"])) for one in statements.values()} == {
        ("Deny", "*", "s3:*")
    }
    assert statements["RefuseWithoutTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    age_ms = {"s3:signatureAge": str(LINK_VALID_S * 1000)}
    assert statements["RefuseOldLinks"]["Condition"] == {"NumericGreaterThan": age_ms}


def test_the_api_role_puts_and_gets_answers_and_cannot_list_or_delete_them(templates: dict[str, Node]) -> None:
    of_s3 = [one for one in _statements(templates[ROOT_TEMPLATE]) if "s3:" in json.dumps(one.get("Action"))]
    (statement,) = of_s3
    assert set(map(str, _list(statement["Action"]))) == {"s3:PutObject", "s3:GetObject"}
    bucket = {"Fn::GetAtt": ["Storage", "Outputs.AnswersBucketArn"]}
    assert statement["Resource"] == {"Fn::Sub": ["${Bucket}/answers/*", {"Bucket": bucket}]}


def test_idle_tables_cost_nothing_and_forget_what_has_expired(templates: dict[str, Node]) -> None:
    storage = templates["infra/storage.yaml"]
    tables = resources(storage, "AWS::DynamoDB::Table") | resources(storage, "AWS::DynamoDB::GlobalTable")
    expiry = {"Control": "ttl", "Ledger": "ttl", "Cache": "e"}
    assert tables.keys() == expiry.keys()
    for name, attribute in expiry.items():
        properties = at(tables[name], "Properties")
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["TimeToLiveSpecification"] == {"AttributeName": attribute, "Enabled": True}


def test_the_cache_has_a_fuse(templates: dict[str, Node]) -> None:
    cache = resources(templates["infra/storage.yaml"], "AWS::DynamoDB::Table")["Cache"]
    fuse = at(cache, "Properties", "OnDemandThroughput")
    assert fuse == {
        "MaxReadRequestUnits": {"Ref": "CacheMaxReadUnits"},
        "MaxWriteRequestUnits": {"Ref": "CacheMaxWriteUnits"},
    }


def test_a_new_version_is_published_whatever_changes_for_the_function(templates: dict[str, Node]) -> None:
    template = templates[ROOT_TEMPLATE]
    (version,) = resources(template, "AWS::Lambda::Version").values()
    described = at(version, "Properties")["Description"]
    function = dict(at(template, "Resources", "ApiFunction", "Properties"))
    # A name that is the stack's never changes, and what has no part in a version acts at once.
    for unversioned in ("FunctionName", "ReservedConcurrentExecutions", "LoggingConfig"):
        del function[unversioned]
    parameters = at(template, "Parameters").keys()
    wanted = _referred(function, template) & (parameters | resources(template, "AWS::Lambda::LayerVersion").keys())
    assert {"MemorySize", "Issuer", "Architecture"} < wanted
    assert wanted <= _referred(described, template)


def test_what_costs_while_idle_is_off_and_says_what_it_costs(templates: dict[str, Node]) -> None:
    parameters = at(templates[ROOT_TEMPLATE], "Parameters")
    off = {"SnapStart": "None", "GradualDeployment": "false", "KmsKeyArn": ""}
    off |= {"Alarms": "false", "Dashboard": "false"}
    for name, value in off.items():
        assert at(parameters, name)["Default"] == value
        assert "$" in str(at(parameters, name)["Description"]), name


@pytest.mark.parametrize("environment", ["default", "staging", "prod"])
def test_samconfig_says_what_the_template_takes(templates: dict[str, Node], environment: str) -> None:
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]
    assert configured["global"]["parameters"]["stack_name"].startswith("embedge")
    assert "CAPABILITY_AUTO_EXPAND" in configured["deploy"]["parameters"]["capabilities"]
    parameters = at(templates[ROOT_TEMPLATE], "Parameters")
    for override in configured["deploy"]["parameters"].get("parameter_overrides", []):
        name, value = override.split("=")
        parameter = at(parameters, name)
        assert value in [str(one) for one in _list(parameter.get("AllowedValues", value))]


def test_nothing_of_codedeploy_is_made_unless_deployments_are_to_be_gradual(templates: dict[str, Node]) -> None:
    template = templates[ROOT_TEMPLATE]
    assert "AWS::CodeDeploy" not in json.dumps(template)
    for name in ("FaultsAlarm", "CrashesAlarm"):
        assert at(template, "Resources", name)["Condition"] == "Gradual"


def test_an_alarm_says_in_its_name_whether_it_blocks_and_the_guard_can_read_it(templates: dict[str, Node]) -> None:
    alarms = resources(templates["infra/observability.yaml"], "AWS::CloudWatch::Alarm")
    names = {name: str(at(one, "Properties", "AlarmName")["Fn::Sub"]) for name, one in alarms.items()}
    blocking = {name for name, text in names.items() if "/block/" in text}
    assert blocking == {"Spent100Alarm", "BurnRateAlarm"}
    assert all(guard.NAME.fullmatch(text.replace("${StackName}", "embedge")) for text in names.values())
    assert all(one["Condition"] in {"Alarmed", "Budgeted"} for one in alarms.values())


def test_the_dashboard_is_json_and_shows_only_metrics_that_somebody_writes(templates: dict[str, Node]) -> None:
    (board,) = resources(templates["infra/observability.yaml"], "AWS::CloudWatch::Dashboard").values()
    body = str(at(board, "Properties", "DashboardBody")["Fn::Sub"])
    widgets = json.loads(body)["widgets"]
    assert all(one["x"] + one["width"] <= 24 for one in widgets)
    sources = "".join(path.read_text() for path in (ROOT / "layers/embedge/embedge").rglob("*.py"))
    named = re.findall(r'MetricName=\\"(\w+)', body) + re.findall(r'"Embedge", "(\w+)"', body)
    assert len(named) > 10
    for name in named:
        assert f'"{name}"' in sources, name


def test_every_parameter_and_output_explains_itself(templates: dict[str, Node]) -> None:
    for template in templates.values():
        for section in ("Parameters", "Outputs"):
            for name in at(template, section):
                assert at(template, section, name).get("Description"), name


def _has_no_arns(action: str) -> bool:
    return action in OF_NO_RESOURCE or action.startswith("ec2:Describe")


def _chosen(name: str, parameter: Json) -> Json:
    """The parameter with a default that turns on what it is for."""
    assert isinstance(parameter, dict)
    return parameter | {"Default": EVERYTHING[name]} if name in EVERYTHING else parameter


def _given_by(template: Node, nested: str) -> set[str]:
    """The names of the parameters that the root gives a nested stack."""
    (stack,) = (one for one in resources(template, "AWS::CloudFormation::Stack").values() if nested in str(one))
    return set(at(stack, "Properties", "Parameters"))


def _replicas(storage: Node) -> list[Node]:
    """Every Region's part of Control, wherever a condition puts it."""
    (control,) = resources(storage, "AWS::DynamoDB::GlobalTable").values()
    listed = [one for one in _nodes(at(control, "Properties")["Replicas"]) if "Region" in one]
    assert len(listed) == 3
    return listed


def _referred(node: Json, template: Node) -> set[str]:
    """Every name that is referred to below, and what its conditions refer to."""
    found = set[str]()
    for one in _nodes(node):
        for function, argument in one.items():
            match function, argument:
                case "Ref", str(name):
                    found.add(name)
                case "Fn::Sub", str(text) | [str(text), *_]:
                    found.update(re.findall(r"\$\{(\w+)\}", text))
                case "Fn::If", [str(condition), *_]:
                    found |= _referred(at(template, "Conditions")[condition], template)
                case _:
                    pass
    return found


def _nodes(node: Json) -> Iterator[Node]:
    """Every mapping below."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def _of_control(template: Node, role: str) -> list[Node]:
    """Every statement of this role that reaches Control."""
    control = {"Fn::GetAtt": ["Storage", "Outputs.ControlTableArn"]}
    statements = _statements(resources(template, "AWS::IAM::Role")[role])
    return [one for one in statements if control in _list(one.get("Resource"))]


def _statements(node: Json) -> Iterator[Node]:
    """Every statement of every policy below."""
    return (one for one in _nodes(node) if "Effect" in one)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("fault", ["recheck_mismatch", "cache_fuse_blown", "token_count_differs"])
def test_a_fault_that_operators_must_hear_of_sets_off_an_alarm_of_this_stack_alone(
    templates: dict[str, Node], fault: str
) -> None:
    template = templates["infra/observability.yaml"]
    alarms = [at(one, "Properties") for one in resources(template, "AWS::CloudWatch::Alarm").values()]
    (alarm,) = (one for one in alarms if one.get("MetricName") == f"fault_{fault}")
    assert (alarm["Namespace"], alarm["Statistic"]) == ("Embedge", "Sum")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "StackName"}}]
    api = at(templates[ROOT_TEMPLATE], "Resources", "ApiFunction", "Properties", "Environment", "Variables")
    assert api["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
