"""What would ministack have to know to deploy all of the template's options? Run by its own Python, in its place.

Types that it lacks are taken for made, under the names that they are given: nothing is behind them, but references to
them resolve. And SAM expands a template with the parameters that were given, as on AWS.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.app import main
from ministack.services.cloudformation import changesets, engine, handlers, provisioners
from samtranslator.translator import transform

ACCOUNT = "arn:aws:{service}:us-east-1:000000000000:{kind}/{name}"
# What is missing, and which property names one; its ARN and its name can be asked for.
MISSING = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "ResourceId",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "PolicyName",
    "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::CodeDeploy::DeploymentGroup": "DeploymentGroupName",
    "AWS::Route53::HealthCheck": "HealthCheckId",
    "AWS::SageMaker::Endpoint": "EndpointName",
    "AWS::SageMaker::EndpointConfig": "EndpointConfigName",
    "AWS::SageMaker::InferenceComponent": "InferenceComponentName",
    "AWS::SageMaker::Model": "ModelName",
    "AWS::WAFv2::WebACLAssociation": "ResourceArn",
}

_given: ContextVar[dict[str, Any]] = ContextVar("given")
_apply, _expand = engine._apply_transforms, transform.transform
_alarm = provisioners._cw_metric_alarm_record


def _made(kind: str, named: str) -> dict[str, Any]:
    _, service, short = kind.split("::")

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name = properties.get(named) or f"{stack}-{logical_id}"
        arn = ACCOUNT.format(service=service.lower(), kind=short.lower(), name=name)
        return name, {named: name, f"{short}Arn": arn, "Arn": arn}

    def update(physical_id: str, _old: object, properties: dict[str, Any], stack: str, *_: object) -> Any:
        return create(physical_id, properties, stack)

    return {"create": create, "update": update, "delete": lambda *_: None}


def _apply_with_parameters(template: dict[str, Any], given: Any = None, previous: Any = None) -> dict[str, Any]:
    values = {name: one["Value"] for name, one in (previous or {}).items()}
    values |= {one["Key"]: one["Value"] for one in given or [] if one.get("Value") is not None}
    token = _given.set(values)
    try:
        return _apply(template, given, previous)
    finally:
        _given.reset(token)


def _expand_with_parameters(template: dict[str, Any], _: object, *loaders: object) -> dict[str, Any]:
    return _expand(template, _given.get(), *loaders)


def _alarm_without_math(name: str, properties: dict[str, Any]) -> Any:
    """Make an alarm that does sums with metrics one on the first of them: nothing here is measured anyway."""
    measured = [one["MetricStat"] for one in properties.get("Metrics", []) if "MetricStat" in one]
    rest = {key: value for key, value in properties.items() if key != "Metrics"}
    return _alarm(name, {**rest, **measured[0]["Metric"], "Period": measured[0]["Period"]} if measured else properties)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))  # last, since ministack.py is there too
    import ministack_with_keys  # noqa: F401 (for what it does when it is imported)

    for kind, named in MISSING.items():
        provisioners._RESOURCE_HANDLERS.setdefault(kind, _made(kind, named))
    provisioners._cw_metric_alarm_record = _alarm_without_math
    changesets._apply_transforms = handlers._apply_transforms = _apply_with_parameters
    transform.transform = _expand_with_parameters
    main()
