"""Which replies of DynamoDB are as usual, and what does botocore make of those? Of all others nothing is said here.

What is usual: JSON of exactly the members named here, attributes that are strings and numbers, and no error but a
condition that did not hold. BatchGetItem's success is left as it travelled, as `dynamodb_calls.check_reply` leaves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedge.adapters.aws_reply import RawReply

_OK = 200
_REFUSED = 400
_CONDITION = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"


class Refused(Exception):
    """A condition did not hold; `response` is what botocore's ClientError has of it."""

    def __init__(self, response: dict[str, Any]) -> None:
        """Take what the error is to have."""
        super().__init__()
        self.response = response


def _read_raw(reply: RawReply) -> dict[str, Any] | None:
    return {"RawBody": reply.body, "ResponseMetadata": _metadata(reply)} if reply.status == _OK else None


def _read_nothing(reply: RawReply) -> dict[str, Any] | None:
    """Read a put."""
    if reply.status == _OK and reply.body == b"{}":
        return {"ResponseMetadata": _metadata(reply)}
    return _refused(reply)


def _read_both_made(reply: RawReply) -> dict[str, Any] | None:
    """Read a transaction."""
    return {"ResponseMetadata": _metadata(reply)} if reply.status == _OK and reply.body == b"{}" else None


def _read_all_written(reply: RawReply) -> dict[str, Any] | None:
    if reply.status == _OK and reply.body == b'{"UnprocessedItems":{}}':
        return {"UnprocessedItems": {}, "ResponseMetadata": _metadata(reply)}
    return None


def _read_item(reply: RawReply) -> dict[str, Any] | None:
    """Read an update that shows the item."""
    document = _document(reply) if reply.status == _OK else None
    if document is not None and document.keys() == {"Attributes"} and _is_item(document["Attributes"]):
        return {"Attributes": document["Attributes"], "ResponseMetadata": _metadata(reply)}
    return _refused(reply)


def _read_page(reply: RawReply) -> dict[str, Any] | None:
    """Read the only page of a query."""
    document = _document(reply) if reply.status == _OK else None
    if document is None or document.keys() != {"Count", "Items", "ScannedCount"}:
        return None
    items, counts = document["Items"], (document["Count"], document["ScannedCount"])
    usual = isinstance(items, list) and all(_is_item(item) for item in cast("list[object]", items))
    if not usual or not all(type(count) is int for count in counts):
        return None
    return {**document, "ResponseMetadata": _metadata(reply)}


def _refused(reply: RawReply) -> dict[str, Any] | None:
    """Raise what a condition that did not hold is."""
    document = _document(reply) if reply.status == _REFUSED else None
    if document is None or document.get("__type") != _CONDITION or "x-amzn-query-error" in reply.headers:
        return None
    message, item = document.get("message"), document.get("Item")
    known = {"__type", "message"} | ({"Item"} if item is not None else set[str]())
    if document.keys() != known or not isinstance(message, str) or not (item is None or _is_item(item)):
        return None
    error = {"Message": message, "Code": _CONDITION.rpartition("#")[2]}
    shown = {} if item is None else {"Item": item}
    raise Refused({"Error": error, "ResponseMetadata": _metadata(reply), "message": message, **shown})


def _document(reply: RawReply) -> dict[str, Any] | None:
    try:
        document = orjson.loads(reply.body)
    except ValueError:  # also what Python's parser would take, such as NaN
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _is_item(item: object) -> TypeGuard[Mapping[str, Mapping[str, str]]]:
    return isinstance(item, dict) and all(_is_usual(value) for value in cast("dict[str, object]", item).values())


def _is_usual(value: object) -> bool:
    """Tell whether a value is a string or a number, as DynamoDB writes them."""
    if not isinstance(value, dict) or len(cast("dict[str, object]", value)) != 1:
        return False
    ((kind, content),) = cast("dict[str, object]", value).items()
    return kind in ("S", "N") and isinstance(content, str)


def _metadata(reply: RawReply) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if "x-amzn-requestid" in reply.headers:
        metadata["RequestId"] = reply.headers["x-amzn-requestid"]
    return {**metadata, "HTTPStatusCode": reply.status, "HTTPHeaders": dict(reply.headers), "RetryAttempts": 0}


REPLIES: Mapping[str, Callable[[RawReply], dict[str, Any] | None]] = {
    "BatchGetItem": _read_raw,
    "BatchWriteItem": _read_all_written,
    "PutItem": _read_nothing,
    "Query": _read_page,
    "TransactWriteItems": _read_both_made,
    "UpdateItem": _read_item,
}
