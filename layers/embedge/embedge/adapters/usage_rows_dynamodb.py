"""How is read what tenants have used, from DynamoDB? One tenant's by Query, all of them by Scan (operators only)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embedge.adapters.dynamodb_calls import FAULTS, may_pass, send
from embedge.core.usage import PARTITION, UsageRow, read_row
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import (
        AttributeValueTypeDef,
        QueryOutputTypeDef,
        ScanOutputTypeDef,
        UniversalAttributeValueTypeDef,
    )

    from embedge.adapters.aws_clients import AwsClients


class DynamoDbUsageRows:
    """The UsageRows port."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the ledger's name."""
        self._aws = aws
        self._table = table

    async def read(self, tenant: str | None, since_day: str) -> Sequence[UsageRow]:
        """Return the rows of a tenant, or of all, from that day on. Raises: ServiceUnavailable."""
        rows: list[UsageRow] = []
        start: Mapping[str, UniversalAttributeValueTypeDef] = {}
        try:
            ask = self._question(await self._aws.dynamodb(), tenant, since_day)
            while True:
                page = await send(partial(ask, ExclusiveStartKey=start) if start else ask, may_pass)
                rows += [row for item in page["Items"] if (row := _row(item)) is not None]
                start = page.get("LastEvaluatedKey", {})
                if not start:
                    return rows
        except FAULTS as error:
            raise ServiceUnavailable(f"The usage cannot be read: {error}") from error

    def _question(
        self, client: DynamoDBClient, tenant: str | None, since_day: str
    ) -> Callable[..., Awaitable[QueryOutputTypeDef | ScanOutputTypeDef]]:
        if tenant is not None:
            return partial(
                client.query,
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk >= :day",
                ExpressionAttributeValues={":pk": {"S": PARTITION + tenant}, ":day": {"S": since_day}},
                ConsistentRead=True,  # what was just written is there
            )
        return partial(
            client.scan,
            TableName=self._table,
            FilterExpression="begins_with(pk, :pk) AND sk >= :day",
            ExpressionAttributeValues={":pk": {"S": PARTITION}, ":day": {"S": since_day}},
        )


def _row(item: Mapping[str, AttributeValueTypeDef]) -> UsageRow | None:
    numbers = {name: int(value["N"]) for name, value in item.items() if "N" in value}
    return read_row(item["pk"].get("S", ""), item["sk"].get("S", ""), numbers)
