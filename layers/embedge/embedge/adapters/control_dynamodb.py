"""How are routes and keys read from the Control table in DynamoDB?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import ClientError

from embedge.adapters.dynamodb_calls import FAULTS, error_code, may_pass, send, was_throttled
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import QueryOutputTypeDef, UniversalAttributeValueTypeDef

    from embedge.adapters.aws_clients import AwsClients

_RETRY_AFTER_S = 5.0


class _Condition(TypedDict):
    ConditionExpression: str
    ExpressionAttributeValues: NotRequired[dict[str, UniversalAttributeValueTypeDef]]


class DynamoDbControlTable:
    """The ControlTable port: documents in the attribute `doc`, read consistently."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the table's name."""
        self._aws = aws
        self._table = table

    async def query(self, pk: str) -> Mapping[str, str]:
        """Return every document of a partition by its sort key. Raises: ServiceUnavailable."""
        documents: dict[str, str] = {}
        start: Mapping[str, UniversalAttributeValueTypeDef] = {}
        try:
            client = await self._aws.dynamodb()
            while True:
                page = await send(partial(self._page, client, pk, start), may_pass)
                documents.update(_documents(page))
                start = page.get("LastEvaluatedKey", {})
                if not start:
                    return documents
        except FAULTS as error:
            raise _out_of_reach() from error

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        """Write a document, replacing what was there, and let DynamoDB delete it later. Raises: ServiceUnavailable."""
        try:
            client = await self._aws.dynamodb()
            item: dict[str, UniversalAttributeValueTypeDef]
            item = {"pk": {"S": pk}, "sk": {"S": sk}, "doc": {"S": document}}
            if expires_s is not None:
                item["ttl"] = {"N": str(expires_s)}
            await send(partial(client.put_item, TableName=self._table, Item=item), may_pass)
        except FAULTS as error:
            raise _out_of_reach() from error

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        """Write a document, or take it away, if what is there is what was seen. Raises: ServiceUnavailable."""
        try:
            client = await self._aws.dynamodb()
            # Sent again only where it was not carried out: a second one would find the first one's work, and refuse.
            await send(partial(self._exchange, client, (pk, sk), seen, document), was_throttled)
        except FAULTS as error:
            if isinstance(error, ClientError) and error_code(error) == "ConditionalCheckFailedException":
                return False
            raise _out_of_reach() from error
        return True

    async def _exchange(
        self, client: DynamoDBClient, key: tuple[str, str], seen: str | None, document: str | None
    ) -> None:
        pk, sk = ({"S": part} for part in key)
        condition: _Condition = {"ConditionExpression": "attribute_not_exists(doc)"}
        if seen is not None:
            condition = {"ConditionExpression": "doc = :seen", "ExpressionAttributeValues": {":seen": {"S": seen}}}
        if document is None:
            await client.delete_item(TableName=self._table, Key={"pk": pk, "sk": sk}, **condition)
        else:
            item = {"pk": pk, "sk": sk, "doc": {"S": document}}
            await client.put_item(TableName=self._table, Item=item, **condition)

    async def _page(
        self, client: DynamoDBClient, pk: str, start: Mapping[str, UniversalAttributeValueTypeDef]
    ) -> QueryOutputTypeDef:
        ask = partial(
            client.query,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
        )
        return await (ask(ExclusiveStartKey=start) if start else ask())


def _documents(page: QueryOutputTypeDef) -> dict[str, str]:
    return {item["sk"].get("S", ""): item["doc"].get("S", "") for item in page["Items"] if "doc" in item}


def _out_of_reach() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The configuration is out of reach. Please try again in a few seconds.", retry_after_s=_RETRY_AFTER_S
    )
