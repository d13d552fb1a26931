"""Does the template say what the design promises, before anything is deployed?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embedge.core.kept_answer import LINK_VALID_S
from tests.e2e.tools import CFN_LINT, ROOT, SAM, need, run
from tests.infra.expanded import at, expanded, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.expanded import Json, Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT_TEMPLATE = "template.yaml"
NESTED_TEMPLATES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml"))
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


def test_no_statement_reaches_every_resource_or_every_action(templates: dict[str, Node]) -> None:
    statements = [one for template in templates.values() for one in _statements(template)]
    allowed = [one for one in statements if "Principal" not in one]  # trust policies name no resource
    assert allowed
    for statement in allowed:
        assert "*" not in _list(statement["Resource"])
        assert not [action for action in _list(statement["Action"]) if "*" in str(action)]
        assert not {"NotAction", "NotResource"} & statement.keys()


def test_no_role_takes_a_policy_that_is_not_written_here(templates: dict[str, Node]) -> None:
    roles = [role for one in templates.values() for role in resources(one, "AWS::IAM::Role").values()]
    assert roles
    assert not [role for role in roles if "ManagedPolicyArns" in at(role, "Properties")]


def test_the_api_role_only_reads_control(templates: dict[str, Node]) -> None:
    (statement,) = _of_control(templates[ROOT_TEMPLATE], "ApiRole")
    assert _list(statement["Action"]) == ["dynamodb:Query"]


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
    tables = resources(templates["infra/storage.yaml"], "AWS::DynamoDB::Table")
    for name in ("Control", "Ledger"):
        assert tables[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert tables[name]["UpdateReplacePolicy"] == "Retain"
        recovery = at(tables[name], "Properties", "PointInTimeRecoverySpecification")
        assert recovery == {"PointInTimeRecoveryEnabled": True}


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
    assert {(one["Effect"], one["Principal"], one["Action"]) for one in statements.values()} == {("Deny", "*", "s3:*")}
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
    tables = resources(templates["infra/storage.yaml"], "AWS::DynamoDB::Table")
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


def test_every_parameter_and_output_explains_itself(templates: dict[str, Node]) -> None:
    for template in templates.values():
        for section in ("Parameters", "Outputs"):
            for name in at(template, section):
                assert at(template, section, name).get("Description"), name


def _of_control(template: Node, role: str) -> list[Node]:
    """Every statement of this role that reaches Control."""
    control = {"Fn::GetAtt": ["Storage", "Outputs.ControlTableArn"]}
    statements = _statements(resources(template, "AWS::IAM::Role")[role])
    return [one for one in statements if control in _list(one.get("Resource"))]


def _statements(node: Json) -> Iterator[Node]:
    """Every statement of every policy below."""
    if isinstance(node, dict):
        if "Effect" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _statements(child)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
