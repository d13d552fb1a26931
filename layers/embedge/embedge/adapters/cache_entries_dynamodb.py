"""How does an operator go through all of the cache in DynamoDB? By Scan, with the operator's own rights.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html, read 2026-11: the limit is on what is looked
at, a page ends at 1 MB anyway, and one that is not the last says after which key the next begins.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from embedge.adapters.dynamodb_calls import ATTEMPTS, FAULTS, may_pass, pause, send
from embedge.core.provenance import Doomed, Swept
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import (
        AttributeValueTypeDef,
        ScanOutputTypeDef,
        WriteRequestUnionTypeDef,
    )

    from embedge.adapters.aws_clients import AwsClients

    _Row: TypeAlias = Mapping[str, AttributeValueTypeDef]

_ITEMS_A_WRITE = 25


class DynamoDbCacheEntries:
    """The CacheEntries port, in DynamoDB's own order."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the table's name."""
        self._aws = aws
        self._table = table

    async def count(self) -> int:
        """Return how many entries there were some hours ago. Raises: ServiceUnavailable."""
        try:
            client = await self._aws.dynamodb()
            described = await send(partial(client.describe_table, TableName=self._table), may_pass)
        except FAULTS as error:
            raise _failed(error) from error
        return described["Table"].get("ItemCount", 0)

    async def sweep(self, doomed: Doomed, after: bytes | None, limit: int) -> Swept:
        """Look at so many entries at most, and delete those that are doomed. Raises: ServiceUnavailable."""
        try:
            client = await self._aws.dynamodb()
            page = await send(partial(self._page, client, after, limit), may_pass)
            gone = [row["k"] for row in page["Items"] if _is(doomed, row)]
            for start in range(0, len(gone), _ITEMS_A_WRITE):
                keys = gone[start : start + _ITEMS_A_WRITE]
                await self._delete(client, [{"DeleteRequest": {"Key": {"k": key}}} for key in keys])
        except FAULTS as error:
            raise _failed(error) from error
        last = page.get("LastEvaluatedKey")
        return Swept(len(page["Items"]), len(gone), _bytes(last["k"]) if last else None)

    async def _page(self, client: DynamoDBClient, after: bytes | None, limit: int) -> ScanOutputTypeDef:
        scan = partial(client.scan, TableName=self._table, ProjectionExpression="k, g, w", Limit=limit)
        return await (scan() if after is None else scan(ExclusiveStartKey={"k": {"B": after}}))

    async def _delete(self, client: DynamoDBClient, requests: Sequence[WriteRequestUnionTypeDef]) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await pause(attempt)
            reply = await send(partial(client.batch_write_item, RequestItems={self._table: requests}), may_pass)
            requests = reply["UnprocessedItems"].get(self._table, ())
            if not requests:
                return
        raise ServiceUnavailable("DynamoDB is too busy to delete more. Go on a little later, or more slowly.")


def _is(doomed: Doomed, row: _Row) -> bool:
    return "g" in row and "w" in row and doomed.holds(_bytes(row["g"]), int(row["w"].get("N", "")))


def _bytes(value: AttributeValueTypeDef) -> bytes:
    return value.get("B", b"")


def _failed(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f"The cache cannot be gone through: {error}")
