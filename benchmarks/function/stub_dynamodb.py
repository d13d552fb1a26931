"""What is DynamoDB to a function that is measured? Its tables in memory, as much of it as the function asks, and fast.

An item is kept as the JSON that it travels in, so that a lookup only joins. UpdateItem understands the expressions that
`adapters/update_expression.py` writes; all the others have no conditions that matter here.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

_Item: TypeAlias = dict[str, dict[str, Any]]
_OPERAND = r"if_not_exists\((?P<{0}_or>#\w+), (?P<{0}_absent>[:#]\w+)\)|(?P<{0}>[:#]\w+)"
_ASSIGNMENT = re.compile(rf"(?P<target>#\w+) = (?:{_OPERAND.format('left')})(?: \+ (?:{_OPERAND.format('right')}))?")
_CONDITION = re.compile(
    r"(?P<absent>attribute_not_exists\(#\w+\))|(?P<name>#\w+) (?P<operator>[<>=]+) (?P<value>[:#]\w+)"
)
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
    "=": int.__eq__,
}


class StubDynamoDb:
    """Tables by their names, each with its items by their keys."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._tables: dict[str, dict[tuple[str, ...], bytes]] = {}
        self._answers: Mapping[str, Callable[[dict[str, Any]], tuple[int, bytes]]] = {
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
            "PutItem": self._put_item,
            "Query": self._query,
            "TransactWriteItems": self._transact,
            "UpdateItem": self._update,
        }

    def answer(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body for an operation."""
        return self._answers[operation](orjson.loads(body))

    def put(self, table: str, item: _Item) -> None:
        """Keep an item."""
        self._tables.setdefault(table, {})[_key(item)] = orjson.dumps(item)

    def _batch_get(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        ((table, wanted),) = asked["RequestItems"].items()
        items = self._tables.get(table, {})
        names = wanted.get("ProjectionExpression", "")
        kept = (item for key in wanted["Keys"] if (item := items.get(_key(key))) is not None)
        found = b",".join(_projected(item, names) if names else item for item in kept)
        return 200, b'{"Responses":{"%b":[%b]},"UnprocessedKeys":{}}' % (table.encode(), found)

    def _batch_write(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        for table, writes in asked["RequestItems"].items():
            for write in writes:
                self.put(table, write["PutRequest"]["Item"])
        return 200, b'{"UnprocessedItems":{}}'

    def _put_item(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        self.put(asked["TableName"], asked["Item"])
        return 200, b"{}"

    def _query(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        pk = asked["ExpressionAttributeValues"][":pk"]["S"]
        items = [item for key, item in self._tables.get(asked["TableName"], {}).items() if key[0] == pk]
        return 200, b'{"Count":%d,"ScannedCount":%d,"Items":[%b]}' % (len(items), len(items), b",".join(items))

    def _transact(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        """Make every update; none of what is measured is refused."""
        for part in asked["TransactItems"]:
            self._update(part["Update"])
        return 200, b"{}"

    def _update(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        kept = self._tables.get(asked["TableName"], {}).get(_key(asked["Key"]))
        item: _Item = {} if kept is None else orjson.loads(kept)
        words = _Words(item, asked)
        if not words.allow(asked.get("ConditionExpression", "")):
            refused = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no"}
            return 400, orjson.dumps(refused | ({"Item": item} if item else {}))
        item = {**item, **asked["Key"], **words.assigned(asked["UpdateExpression"])}
        self.put(asked["TableName"], item)
        return 200, b'{"Attributes":%b}' % orjson.dumps(item)


class _Words:
    """What the words of an expression mean, of numbers."""

    def __init__(self, item: _Item, asked: Mapping[str, Any]) -> None:
        self._item = item
        self._names: Mapping[str, str] = asked.get("ExpressionAttributeNames", {})
        self._values: Mapping[str, Mapping[str, str]] = asked.get("ExpressionAttributeValues", {})

    def allow(self, condition: str) -> bool:
        clauses = condition.split(" AND ") if condition else []
        return all(any(self._holds(found) for found in _CONDITION.finditer(clause)) for clause in clauses)

    def assigned(self, expression: str) -> _Item:
        return {
            self._names[found["target"]]: {"N": str(self._value(found, "left") + self._value(found, "right"))}
            for found in _ASSIGNMENT.finditer(expression)
        }

    def _holds(self, found: re.Match[str]) -> bool:
        if found["absent"]:
            return self._names[found["absent"][len("attribute_not_exists(") : -1]] not in self._item
        left, right = self._number(found["name"]), self._number(found["value"])
        return left is not None and right is not None and _COMPARE[found["operator"]](left, right)

    def _value(self, found: re.Match[str], side: str) -> int:
        if found[f"{side}_or"]:
            there = self._number(found[f"{side}_or"])
            return (self._number(found[f"{side}_absent"]) or 0) if there is None else there
        return (self._number(found[side]) or 0) if found[side] else 0

    def _number(self, word: str) -> int | None:
        if word.startswith(":"):
            return int(self._values[word]["N"])
        value = self._item.get(self._names[word], {}).get("N")
        return None if value is None else int(value)


@lru_cache(maxsize=8192)
def _projected(item: bytes, names: str) -> bytes:
    """Return an item with these attributes only; each is asked for again and again."""
    attributes: _Item = orjson.loads(item)
    return orjson.dumps({name: attributes[name] for name in names.split(", ") if name in attributes})


def _key(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (item["pk"]["S"], item["sk"]["S"]) if "pk" in item else (item["k"]["B"],)
