# pyright: basic, reportMissingImports=false
"""Run by ministack's own Python: ministack, and for IAM the partitions that a call to DynamoDB names (LeadingKeys).

Without these a role that may reach some partitions only may reach none. What AWS does:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

import json

from ministack.app import main
from ministack.core import iam_actions

_known = iam_actions.dynamodb_service_context


def _with_keys(body: bytes) -> dict[str, object]:
    return {**_known(body), **({"dynamodb:LeadingKeys": keys} if (keys := _leading_keys(body)) else {})}


def _leading_keys(body: bytes) -> list[str]:
    """Return the partitions that a call names: of a key, an item, or a Query by `pk = :value`."""
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return []
    holders = [asked.get("Key"), asked.get("Item")]
    condition = asked.get("KeyConditionExpression", "")
    if condition.startswith("pk = "):
        value = condition.split()[2]
        holders.append({"pk": asked.get("ExpressionAttributeValues", {}).get(value, {})})
    return [holder["pk"]["S"] for holder in holders if isinstance(holder, dict) and "S" in holder.get("pk", {})]


iam_actions.dynamodb_service_context = _with_keys

if __name__ == "__main__":
    main()
