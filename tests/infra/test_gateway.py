"""What do callers see where it is API Gateway that answers, and what does it do to a body on the way?"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from embedge import errors
from embedge.api.error_table import OUR_FAULT, error_answer
from embedge.core.request import MAX_BODY_BYTES
from embedge.settings import cors_origins
from tests.e2e.curl import curl
from tests.e2e.ministack import ministack
from tests.e2e.tools import SAM_PYTHON, need, run
from tests.infra.expanded import at, expanded, resources

if TYPE_CHECKING:
    from tests.infra.expanded import Json, Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("gateway")]

# Which row of the error table each of API Gateway's own errors is. All but DEFAULT_5XX, which is no EmbedgeError.
GATEWAY_ERRORS: dict[str, type[errors.EmbedgeError]] = {
    "ACCESS_DENIED": errors.ScopeMissing,
    "BAD_REQUEST_BODY": errors.InvalidJson,
    "BAD_REQUEST_PARAMETERS": errors.InvalidValue,
    "DEFAULT_4XX": errors.InvalidValue,
    "EXPIRED_TOKEN": errors.CredentialExpired,
    "INTEGRATION_TIMEOUT": errors.UpstreamTimeout,
    "INVALID_API_KEY": errors.CredentialInvalid,
    "INVALID_SIGNATURE": errors.CredentialInvalid,
    "MISSING_AUTHENTICATION_TOKEN": errors.MethodNotAllowed,
    "QUOTA_EXCEEDED": errors.BudgetSpent,
    "REQUEST_TOO_LARGE": errors.RequestTooLarge,
    "RESOURCE_NOT_FOUND": errors.UnknownUrl,
    "THROTTLED": errors.RequestRateLimited,
    "UNAUTHORIZED": errors.CredentialInvalid,
    "UNSUPPORTED_MEDIA_TYPE": errors.UnsupportedMediaType,
    "WAF_FILTERED": errors.ScopeMissing,
}
FALL_TO_DEFAULT_5XX = {
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "INTEGRATION_FAILURE",
}
_RETRY_S = {"THROTTLED": 1.0}
_CORS: Json = {"Fn::If": ["Cors", "'*'", {"Ref": "AWS::NoValue"}]}
ALWAYS: Node = {
    "x-request-id": "context.requestId",
    "openai-processing-ms": "'0'",
    "cache-control": "'private, no-store'",
    "access-control-allow-origin": _CORS,
    "access-control-expose-headers": _CORS,
}
# A function that ran out of time has often stored what it got, so another try may find it.
ALSO: dict[str, Node] = {
    "INTEGRATION_TIMEOUT": {"retry-after": "'1'", "retry-after-ms": "'1000'"},
    "MISSING_AUTHENTICATION_TOKEN": {"allow": "'GET, HEAD, POST'"},
}

# ministack takes these answers one by one, and not from an API's body as API Gateway does: so they are put.
_PUT = """
import boto3, json, sys
gateway = boto3.client("apigateway")
api = gateway.create_rest_api(name="errors")["id"]
(root,) = [item["id"] for item in gateway.get_resources(restApiId=api)["items"]]
at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
gateway.put_method(**at, authorizationType="NONE")
missing = "arn:aws:lambda:us-east-1:000000000000:function:missing"
uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{missing}/invocations"
gateway.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
for name, response in json.load(sys.stdin).items():
    gateway.put_gateway_response(restApiId=api, responseType=name, **response)
gateway.create_deployment(restApiId=api, stageName="prod")
print(api)
"""
_TYPES = """
import boto3, json
print(json.dumps(boto3.client("apigateway").meta.service_model.shape_for("GatewayResponseType").enum))
"""


@pytest.fixture(scope="module")
def template() -> Node:
    need("template", "sam")
    return expanded("template.yaml")


def test_every_body_reaches_the_function_byte_for_byte(template: Node) -> None:
    (api,) = resources(template, "AWS::ApiGateway::RestApi").values()
    assert at(api, "Properties")["BinaryMediaTypes"] == ["*/*"]


@pytest.mark.parametrize("name", GATEWAY_ERRORS)
def test_what_api_gateway_answers_itself_is_the_error_table_s_row(template: Node, name: str) -> None:
    response = _gateway_responses(template)[name]
    (body,) = at(response, "responseTemplates").values()
    assert isinstance(body, str)
    assert "$" not in body  # else API Gateway would put something of the request there
    document = json.loads(body)
    expected = error_answer(GATEWAY_ERRORS[name](document["error"]["message"], retry_after_s=_RETRY_S.get(name)), "")
    assert (response["statusCode"], document) == (str(expected.status), json.loads(expected.body))
    headers = _headers(response)
    assert headers == {**ALWAYS, **{key: f"'{text}'" for key, text in expected.headers.items()}, **ALSO.get(name, {})}


def test_a_function_that_crashes_is_our_own_fault_and_not_a_provider_s(template: Node) -> None:
    responses = _gateway_responses(template)
    fault = responses["DEFAULT_5XX"]
    (body,) = at(fault, "responseTemplates").values()
    error = json.loads(str(body))["error"]
    assert (int(str(fault["statusCode"])), error["type"]) == (OUR_FAULT.status, OUR_FAULT.type)
    assert (error["code"], error["param"]) == (OUR_FAULT.code, None)
    assert "x-request-id" in error["message"]
    assert _headers(fault) == ALWAYS


def test_no_error_of_api_gateway_s_is_left_out(template: Node) -> None:
    listed = _gateway_responses(template).keys()
    assert listed == {*GATEWAY_ERRORS, "DEFAULT_5XX"}
    assert listed | FALL_TO_DEFAULT_5XX == set(json.loads(run(SAM_PYTHON, "-c", _TYPES)))


def test_a_caller_sees_them_as_an_answer_of_the_api_s_own(template: Node) -> None:
    need("gateway", "ministack")
    responses = {name: _as_put(response) for name, response in _gateway_responses(template).items()}
    with ministack("apigateway", "lambda") as aws:
        put = run(SAM_PYTHON, "-c", _PUT, environment=aws.environment, stdin=json.dumps(responses))
        url = f"{aws.endpoint}/_aws/execute-api/{put.strip()}/prod/"
        method, fault = curl(url, "--request", "PUT"), curl(url)
    assert (method.status, method.error()["code"]) == (405, "method_not_allowed")
    assert (fault.status, fault.error()["code"]) == (500, "internal_error")
    for answer in (method, fault):
        assert answer.headers["x-request-id"]
        assert answer.headers["openai-processing-ms"] == "0"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_the_limit_that_api_gateway_names_is_the_one_that_holds(template: Node) -> None:
    too_large = _gateway_responses(template)["REQUEST_TOO_LARGE"]
    assert f" {MAX_BODY_BYTES} bytes" in json.dumps(too_large)


def test_without_origins_api_gateway_says_nothing_of_cors_either(template: Node) -> None:
    assert at(template, "Parameters", "CorsAllowedOrigins")["Default"] == ""
    assert at(template, "Conditions", "Cors") == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CorsAllowedOrigins"}, ""]}]}
    function = resources(template, "AWS::Lambda::Function")["ApiFunction"]
    variables = at(function, "Properties", "Environment", "Variables")
    assert variables["EMBEDGE_CORS_ALLOWED_ORIGINS"] == {"Ref": "CorsAllowedOrigins"}


@pytest.mark.parametrize(
    ("origins", "taken"),
    [
        ("", True),
        ("*", True),
        ("https://app.example.com", True),
        ("https://app.example.com,http://localhost:3000", True),
        ("app.example.com", False),
        ("https://app.example.com/", False),
        ("https://App.example.com", False),
        ("*,https://app.example.com", False),
        ("https://app.example.com,", False),
    ],
)
def test_what_the_template_takes_as_origins_the_function_takes_too(
    template: Node,
    origins: str,
    taken: bool,  # noqa: FBT001 (a column of the table above)
) -> None:
    pattern = str(at(template, "Parameters", "CorsAllowedOrigins")["AllowedPattern"])
    assert bool(re.fullmatch(pattern, origins)) == taken
    if taken:
        assert ",".join(cors_origins({"EMBEDGE_CORS_ALLOWED_ORIGINS": origins})) == origins


def _gateway_responses(template: Node) -> dict[str, Node]:
    (api,) = resources(template, "AWS::ApiGateway::RestApi").values()
    responses = at(api, "Properties", "Body", "x-amazon-apigateway-gateway-responses")
    return {name: at(responses, name) for name in responses}


def _as_put(response: Node) -> Node:
    """Return what API Gateway's own API takes, for a deployment that pages may call."""
    parameters = at(response, "responseParameters")
    chosen: Node = {name: "'*'" if isinstance(value, dict) else value for name, value in parameters.items()}
    return {**response, "responseParameters": chosen}


def _headers(response: Node) -> Node:
    prefix = "gatewayresponse.header."
    return {name.removeprefix(prefix): value for name, value in at(response, "responseParameters").items()}
