"""How is a partition of the ledger read from DynamoDB? By Query, consistently."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embedge.adapters.dynamodb_calls import FAULTS, may_pass, send
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_dynamodb.type_defs import UniversalAttributeValueTypeDef

    from embedge.adapters.aws_clients import AwsClients
    from embedge.core.conditional_update import Item


class DynamoDbLedgerItems:
    """The LedgerItems port."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the ledger's name."""
        self._aws = aws
        self._table = table

    async def query(self, pk: str) -> Mapping[str, Item]:
        """Return the numbers of every item of a partition by its sort key. Raises: ServiceUnavailable."""
        items: dict[str, Item] = {}
        start: Mapping[str, UniversalAttributeValueTypeDef] = {}
        try:
            client = await self._aws.dynamodb()
            ask = partial(
                client.query,
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
                ConsistentRead=True,
            )
            while True:
                page = await send(partial(ask, ExclusiveStartKey=start) if start else ask, may_pass)
                for item in page["Items"]:
                    numbers = {name: int(value["N"]) for name, value in item.items() if "N" in value}
                    items[item["sk"].get("S", "")] = numbers
                start = page.get("LastEvaluatedKey", {})
                if not start:
                    return items
        except FAULTS as error:
            raise ServiceUnavailable(f"The ledger cannot be read: {error}") from error
