"""Which leases of the ledger should be closed by now, in DynamoDB? A Scan, which who reconciles may do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embedge.adapters.dynamodb_calls import FAULTS, may_pass, send
from embedge.core.lease import OPEN, PREFIX, DueLease, is_due
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    from embedge.adapters.aws_clients import AwsClients


class DynamoDbLeaseItems:
    """The LeaseItems port."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the ledger's name."""
        self._aws = aws
        self._table = table

    async def due(self, now_s: float) -> Sequence[DueLease]:
        """Return the open leases whose time is over. Raises: ServiceUnavailable."""
        leases: list[DueLease] = []
        start: Mapping[str, UniversalAttributeValueTypeDef] = {}
        try:
            client = await self._aws.dynamodb()
            ask = partial(
                client.scan,
                TableName=self._table,
                FilterExpression="begins_with(pk, :pk) AND #s = :open",
                ExpressionAttributeNames={"#s": "s"},
                ExpressionAttributeValues={":pk": {"S": PREFIX}, ":open": {"N": str(OPEN)}},
            )
            while True:
                page = await send(partial(ask, ExclusiveStartKey=start) if start else ask, may_pass)
                leases += [_lease(item) for item in page["Items"]]
                start = page.get("LastEvaluatedKey", {})
                if not start:
                    return [lease for lease in leases if is_due(lease, now_s)]
        except FAULTS as error:
            raise ServiceUnavailable(f"The leases cannot be read: {error}") from error


def _lease(item: Mapping[str, AttributeValueTypeDef]) -> DueLease:
    numbers = {name: int(value["N"]) for name, value in item.items() if "N" in value}
    return DueLease(item["pk"].get("S", ""), item["sk"].get("S", ""), numbers)
