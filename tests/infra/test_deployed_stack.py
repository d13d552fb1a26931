"""What does the stack do once it is deployed, for real, with every right that its role lacks refused?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy import delete
from tests.e2e.tools import SAM_PYTHON, run

if TYPE_CHECKING:
    from tests.infra.conftest import Probed

# One deployment serves them all, so one process runs them all.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed")]

KEY = {"pk": {"S": "TENANT#a"}, "sk": {"S": "CONF"}}
PARTITION = {"ExpressionAttributeValues": {":pk": {"S": "ROUTES"}}}
# JSON carries no binary, and the table refuses a string: that it does so shows that IAM let the call pass.
VECTOR = {"k": {"S": "0"}}
PASSED = "ValidationException"
DENIED = "AccessDeniedException"

_POLICY = """
import boto3, json
iam = boto3.client("iam")
(role,) = [role["RoleName"] for role in iam.list_roles()["Roles"] if "ApiRole" in role["RoleName"]]
print(json.dumps(iam.get_role_policy(RoleName=role, PolicyName="api")["PolicyDocument"]))
"""
_LEFT = """
import boto3, json
tables = boto3.client("dynamodb").list_tables()["TableNames"]
functions = boto3.client("lambda").list_functions()["Functions"]
print(json.dumps([tables, functions]))
"""


def test_control_is_queried_and_nothing_is_written_there_but_purges(probed: Probed) -> None:
    table = probed.deployment.outputs["ControlTable"]
    purge = {"pk": {"S": "GENERATIONS"}, "sk": {"S": "space#0"}}
    assert probed.try_("put_item", TableName=table, Item=purge) == "ok"
    assert probed.try_("delete_item", TableName=table, Key=purge) == DENIED
    assert probed.try_("update_item", TableName=table, Key=purge) == DENIED
    for pk in ("ROUTES", "KEYS", "REVOKED", "ISSUERS", "TENANTS", "CHANGES"):
        assert probed.try_("put_item", TableName=table, Item={**KEY, "pk": {"S": pk}}) == DENIED
    assert probed.try_("query", TableName=table, KeyConditionExpression="pk = :pk", **PARTITION) == "ok"
    assert probed.try_("get_item", TableName=table, Key=KEY) == DENIED
    assert probed.try_("put_item", TableName=table, Item=KEY) == DENIED
    assert probed.try_("delete_item", TableName=table, Key=KEY) == DENIED
    assert probed.try_("batch_write_item", RequestItems={table: [_put(KEY)]}) == DENIED
    assert probed.try_("update_item", TableName=table, Key=KEY) == DENIED
    transaction = [{"Put": {"TableName": table, "Item": KEY}}]
    assert probed.try_("transact_write_items", TransactItems=transaction) == DENIED
    assert probed.try_("scan", TableName=table) == DENIED


def test_the_ledger_is_only_updated_item_by_item_and_read_by_tenant(probed: Probed) -> None:
    table = probed.deployment.outputs["LedgerTable"]
    assert probed.try_("query", TableName=table, KeyConditionExpression="pk = :pk", **PARTITION) == "ok"
    assert probed.try_("update_item", TableName=table, Key=KEY) == "ok"
    assert probed.try_("get_item", TableName=table, Key=KEY) == DENIED
    assert probed.try_("put_item", TableName=table, Item=KEY) == DENIED
    assert probed.try_("delete_item", TableName=table, Key=KEY) == DENIED
    assert probed.try_("scan", TableName=table) == DENIED
    assert probed.try_("delete_table", TableName=table) == DENIED


def test_the_guard_writes_what_is_said_of_tenants_and_nothing_else(probed: Probed) -> None:
    control, ledger = probed.deployment.outputs["ControlTable"], probed.deployment.outputs["LedgerTable"]
    for pk in ("TENANT#a", "TENANT#*", "TENANTS", "CHANGES"):
        key = {"pk": {"S": pk}, "sk": {"S": "BLOCK#guard#x"}}
        assert probed.try_as("guard", "put_item", TableName=control, Item=key) == "ok"
        asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
        assert probed.try_as("guard", "query", TableName=control, **asked) == "ok"
        assert probed.try_as("guard", "delete_item", TableName=control, Key=key) == DENIED
        assert probed.try_as("guard", "update_item", TableName=control, Key=key) == DENIED
        assert probed.try_as("guard", "query", TableName=ledger, **asked) == DENIED
    for pk in ("ROUTES", "KEYS", "REVOKED", "ISSUERS", "GENERATIONS"):
        assert probed.try_as("guard", "put_item", TableName=control, Item={**KEY, "pk": {"S": pk}}) == DENIED
    assert probed.try_as("guard", "scan", TableName=control) == DENIED
    assert probed.try_as("guard", "update_item", TableName=ledger, Key=KEY) == DENIED


def test_the_canary_writes_routes_and_nothing_else(probed: Probed) -> None:
    control, ledger = probed.deployment.outputs["ControlTable"], probed.deployment.outputs["LedgerTable"]
    route = {"pk": {"S": "ROUTES"}, "sk": {"S": "small"}}
    query = {"KeyConditionExpression": "pk = :pk", **PARTITION}
    assert probed.try_as("canary", "query", TableName=control, **query) == "ok"
    assert probed.try_as("canary", "put_item", TableName=control, Item=route) == "ok"
    assert probed.try_as("canary", "delete_item", TableName=control, Key=route) == DENIED
    assert probed.try_as("canary", "scan", TableName=control) == DENIED
    for pk in ("TENANT#a", "TENANTS", "KEYS", "REVOKED", "ISSUERS", "GENERATIONS"):
        assert probed.try_as("canary", "put_item", TableName=control, Item={**KEY, "pk": {"S": pk}}) == DENIED
        asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
        assert probed.try_as("canary", "query", TableName=control, **asked) == DENIED
    assert probed.try_as("canary", "query", TableName=ledger, **query) == DENIED
    assert probed.try_as("canary", "update_item", TableName=ledger, Key=KEY) == DENIED


def test_reconcile_reads_and_updates_the_ledger_and_nothing_else(probed: Probed) -> None:
    control, ledger = probed.deployment.outputs["ControlTable"], probed.deployment.outputs["LedgerTable"]
    assert probed.try_as("reconcile", "update_item", TableName=ledger, Key=KEY) == "ok"
    assert probed.try_as("reconcile", "scan", TableName=ledger) == "ok"
    transaction = [{"Update": {"TableName": ledger, "Key": KEY, "UpdateExpression": "REMOVE x"}}]
    assert probed.try_as("reconcile", "transact_write_items", TransactItems=transaction) == "ok"
    assert probed.try_as("reconcile", "put_item", TableName=ledger, Item=KEY) == DENIED
    assert probed.try_as("reconcile", "delete_item", TableName=ledger, Key=KEY) == DENIED
    for operation, more in (("scan", {}), ("put_item", {"Item": KEY}), ("update_item", {"Key": KEY})):
        assert probed.try_as("reconcile", operation, TableName=control, **more) == DENIED
    assert probed.try_as("reconcile", "scan", TableName=probed.deployment.outputs["CacheTable"]) == DENIED


def test_the_cache_is_only_read_and_written_in_batches(probed: Probed) -> None:
    table = probed.deployment.outputs["CacheTable"]
    assert probed.try_("batch_get_item", RequestItems={table: {"Keys": [VECTOR]}}) == PASSED
    assert probed.try_("batch_write_item", RequestItems={table: [_put(VECTOR)]}) == PASSED
    assert probed.try_("scan", TableName=table) == DENIED
    assert probed.try_("delete_table", TableName=table) == DENIED


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/v1/models/BAAI/bge-m3"])
def test_every_method_of_every_path_reaches_the_function(probed: Probed, method: str, path: str) -> None:
    assert probed.answer(method, path) == {"method": method, "path": path}


def test_only_the_endpoints_that_the_operator_named_may_be_invoked(probed: Probed) -> None:
    policy = run(SAM_PYTHON, "-c", _POLICY, environment=probed.aws.environment)
    invoke = next(one for one in json.loads(policy)["Statement"] if one["Sid"] == "InvokeEndpoints")
    assert invoke["Resource"] == [f"arn:*:sagemaker:*:*:endpoint/{name}" for name in ("embedge-*", "bge-m3")]
    assert invoke["Condition"] == {
        "StringEquals": {"aws:ResourceAccount": "000000000000", "aws:RequestedRegion": "us-east-1"}
    }


# The last: it takes the stack away from the others. That Control and Ledger stay cannot be seen here:
# ministack deletes all that a nested stack has, whatever its policies.
def test_a_deleted_stack_leaves_no_cache_and_no_function(probed: Probed) -> None:
    delete(probed.aws)
    tables, functions = json.loads(run(SAM_PYTHON, "-c", _LEFT, environment=probed.aws.environment))
    assert probed.deployment.outputs["CacheTable"] not in tables
    assert not functions


def _put(item: object) -> dict[str, object]:
    return {"PutRequest": {"Item": item}}
