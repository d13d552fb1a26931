"""What may the api function do? This one, deployed in its place, tries what it is asked to."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import botocore.session
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping


def handler(event: Mapping[str, str | None], _context: object) -> dict[str, object]:
    """`{"operation": …, "arguments": …}` is tried on DynamoDB; what has no body is told where it came in."""
    body = base64.b64decode(event["body"] or "")  # so API Gateway sends every body
    if not body:
        return _json({"method": event["httpMethod"], "path": event["path"]})
    asked = json.loads(body)
    client = botocore.session.get_session().create_client("dynamodb")
    try:
        getattr(client, asked["operation"])(**asked["arguments"])
    except ClientError as error:
        return _json({"answer": error.response.get("Error", {}).get("Code")})
    return _json({"answer": "ok"})


def _json(answer: Mapping[str, str | None]) -> dict[str, object]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(answer)}
