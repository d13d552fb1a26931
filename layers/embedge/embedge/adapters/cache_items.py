"""What is an entry of the cache in DynamoDB, and how is one put there only where there is none?

Attributes: `k`; `v`; `e`, the second from which on it is none; and for operators `g`, the 16 bytes of its owner, `t`,
the id of the target that made it, and `w`, the second in which it was written. They add about 40 bytes to an item.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from botocore.exceptions import ClientError

from embedge.adapters.dynamodb_calls import error_code, may_pass, send
from embedge.core.vector_codec import StoredVector, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

    from embedge.core.provenance import Provenance

    CacheItem: TypeAlias = dict[str, UniversalAttributeValueTypeDef]

_REFUSED = "ConditionalCheckFailedException"


def cache_items(
    entries: Mapping[bytes, StoredVector], now_s: int, ttl_s: int, provenance: Provenance
) -> dict[bytes, CacheItem]:
    """Return the item of each entry, by its key."""
    shared: CacheItem = {"e": {"N": str(now_s + ttl_s)}, "g": {"B": provenance.owner}, "w": {"N": str(now_s)}}
    return {
        key: {"k": {"B": key}, "v": {"B": entry.kept()}, "t": {"S": provenance.targets.get(key, "")}, **shared}
        for key, entry in entries.items()
    }


@dataclass(frozen=True, slots=True)
class FirstPut:
    """One entry that is to be kept only where none is: BatchWriteItem knows no conditions, so each is a PutItem."""

    table: str
    key: bytes
    entry: StoredVector
    item: CacheItem
    now_s: int

    async def send(self, client: DynamoDBClient) -> StoredVector | bytes:
        """Put it, and return what stands then: this entry or another's; its value, where nobody can read that.

        Sent again after a fault, it may find itself. An item without a value is somebody's lease, and no entry.
        """
        put = partial(
            client.put_item,
            TableName=self.table,
            Item=self.item,
            ConditionExpression="attribute_not_exists(v) OR e <= :now",
            ExpressionAttributeValues={":now": {"N": str(self.now_s)}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        try:
            await send(put, may_pass)
        except ClientError as error:
            if error_code(error) != _REFUSED:
                raise
            standing = cast("Mapping[str, AttributeValueTypeDef]", error.response.get("Item", {}))
            value = standing["v"].get("B", b"")
            return decode(self.key, value, self.entry.dimensions, int(standing["e"].get("N", ""))) or value
        return self.entry

    async def overwrite(self, client: DynamoDBClient, value: bytes) -> StoredVector | None:
        """Put it in the place of a value that nobody can read, or it would be in everybody's way until it expires.

        Return it; None where that value stands there no more.
        """
        put = partial(
            client.put_item,
            TableName=self.table,
            Item=self.item,
            ConditionExpression="v = :v",
            ExpressionAttributeValues={":v": {"B": value}},
        )
        try:
            await send(put, may_pass)
        except ClientError as error:
            if error_code(error) != _REFUSED:
                raise
            return None
        return self.entry
