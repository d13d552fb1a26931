"""Which route does a deployment bring? Written and taken away as CloudFormation asks, which hears how that went.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from typing import TYPE_CHECKING, Any

from embedge.background import configuration
from embedge.deployed_route import deployed, exchange
from embedge.errors import EmbedgeError
from embedge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

_REPLY_S = 10.0
# Clients are bound to the loop that they were made on, and outlive one event.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_control = configuration(Settings.from_environ(os.environ))


def handler(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Carry out one request of a custom resource, and tell CloudFormation whatever happens: it would wait for long."""
    try:
        written = _loop.run_until_complete(_carried_out(event))
        answer = {
            "Status": "SUCCESS",
            "Reason": "As it was asked." if written else "An operator's route was left as it is.",
        }
    except EmbedgeError as error:
        answer = {"Status": "FAILED", "Reason": error.message}
    except Exception as error:  # noqa: BLE001
        answer = {"Status": "FAILED", "Reason": f"{type(error).__name__}: see the log {context.log_group_name}"}
    print(json.dumps({"message": "route", "request": event["RequestType"], **answer}))  # noqa: T201
    _reply(event, answer)


async def _carried_out(event: Mapping[str, Any]) -> bool:
    asked = deployed(event["ResourceProperties"]["Route"])
    if event["RequestType"] == "Delete":
        return await exchange(_control, asked, None)
    before = None
    if event["RequestType"] == "Update":
        before = deployed(event["OldResourceProperties"]["Route"])
        if before.route.alias != asked.route.alias:
            before = None  # its name is another resource's, which CloudFormation has deleted when all is done
    return await exchange(_control, before, asked)


def _reply(event: Mapping[str, Any], answer: Mapping[str, str]) -> None:
    """Put the answer where CloudFormation waits for it."""
    named = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({**named, "PhysicalResourceId": _name(event), **answer}).encode()
    # The type is empty because the link is signed so.
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=_REPLY_S):  # noqa: S310
        pass


def _name(event: Mapping[str, Any]) -> str:
    """Return what CloudFormation knows the route by: another name is another resource, and the old one is deleted."""
    if event["RequestType"] == "Delete":
        return event["PhysicalResourceId"]
    try:
        return deployed(event["ResourceProperties"]["Route"]).route.alias
    except (EmbedgeError, LookupError):
        return event.get("PhysicalResourceId", "none")
