"""Who of all processes fetches a vector? An item of the cache's table that has no vector yet says so, for a moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from embedge.adapters.bounded_calls import BoundedCalls
from embedge.adapters.dynamodb_calls import error_code, fault_kind, send, was_throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

    from embedge.adapters.aws_clients import AwsClients
    from embedge.ports import Clock

_REFUSED = "ConditionalCheckFailedException"
_LIMIT_S = 0.5


class DynamoDbLeases:
    """The Leases port: a conditional write for each key, in whole seconds as expiries are."""

    def __init__(self, aws: AwsClients, table: str, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take the clients, the cache's table, the time, and whom to tell of a fault, in one word."""
        self._aws = aws
        self._table = table
        self._clock = clock
        self._on_fault = on_fault
        self._calls = BoundedCalls("lease", _LIMIT_S, on_fault)

    async def take(self, keys: Sequence[bytes], seconds: int) -> Collection[bytes]:
        """Return those of the keys that nobody holds, and for which no vector is kept; also those that failed."""
        refused: set[bytes] = set()
        try:  # it is made once in a process's life: the time limit is not for that
            client = await self._aws.dynamodb()
        except Exception as error:  # noqa: BLE001 (no fault of a lease may become a request's)
            self._on_fault(fault_kind(error, "lease"))
            return keys
        await self._calls.make(self._take(client, key, seconds, refused) for key in keys)
        return [key for key in keys if key not in refused]

    async def _take(self, client: DynamoDBClient, key: bytes, seconds: int, refused: set[bytes]) -> None:
        now_s = int(self._clock.now_s())
        put = partial(
            client.put_item,
            TableName=self._table,
            Item={"k": {"B": key}, "e": {"N": str(now_s + seconds)}},
            ConditionExpression="attribute_not_exists(k) OR e <= :now",
            ExpressionAttributeValues={":now": {"N": str(now_s)}},
        )
        try:
            await send(put, was_throttled)
        except ClientError as error:
            if error_code(error) != _REFUSED:
                raise
            refused.add(key)
