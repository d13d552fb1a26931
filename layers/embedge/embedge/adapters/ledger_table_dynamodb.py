"""How is one step of the ledger written to DynamoDB, and what does its reply prove?

The law: a step whose outcome is unknown is never sent again; only one known not to have been carried out is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from botocore.exceptions import ClientError

from embedge.adapters.dynamodb_calls import (
    FAULTS,
    CancellationReason,
    cancellation_reasons,
    error_code,
    send,
    was_not_carried_out,
    was_throttled,
)
from embedge.adapters.update_expression import Expressions, render
from embedge.core.conditional_update import (
    Applied,
    ConditionalUpdate,
    Item,
    ItemUpdate,
    Outcome,
    Refusals,
    Refused,
)
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import (
        AttributeValueTypeDef,
        TransactWriteItemTypeDef,
        UpdateItemOutputTypeDef,
        UpdateTypeDef,
    )

    from embedge.adapters.aws_clients import AwsClients

_REFUSED = "ConditionalCheckFailedException"
_FAILED = "ConditionalCheckFailed"
_RETRY_AFTER_S = 5.0
# Also a reply that lacks what it must have.
_PROVES_NOTHING = (*FAULTS, KeyError, ValueError)

_Key: TypeAlias = Mapping[str, Mapping[str, str]]


class DynamoDbLedgerTable:
    """The LedgerTable port: one UpdateItem a step. Its reply shows the item, so no step needs a read."""

    def __init__(self, aws: AwsClients, table: str) -> None:
        """Take the clients, and the table's name."""
        self._aws = aws
        self._table = table

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        """Carry out an update. Raises: ServiceUnavailable where nobody knows whether it was."""
        try:
            return await self._outcome({"pk": {"S": pk}, "sk": {"S": sk}}, render(update))
        except _PROVES_NOTHING as error:
            raise _out_of_reach() from error

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        """Carry out both updates or neither. Raises: ServiceUnavailable where nobody knows whether they were."""
        try:
            return await self._refusals(first, second)
        except _PROVES_NOTHING as error:
            raise _out_of_reach() from error

    async def _refusals(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        client = await self._aws.dynamodb()
        items = [self._part(first), self._part(second)]
        token = secrets.token_hex(16)  # what is sent again below is carried out once
        try:
            await send(
                partial(client.transact_write_items, TransactItems=items, ClientRequestToken=token), was_not_carried_out
            )
        except ClientError as error:
            reasons = cancellation_reasons(error)
            if not any(reason.get("Code") == _FAILED for reason in reasons):
                raise
            of_first, of_second = (_refused(reason, error) for reason in reasons)
            return of_first, of_second
        return None, None

    def _part(self, item: ItemUpdate) -> TransactWriteItemTypeDef:
        said = render(item.update)
        part: UpdateTypeDef = {
            "TableName": self._table,
            "Key": {"pk": {"S": item.pk}, "sk": {"S": item.sk}},
            "UpdateExpression": said.update,
            "ExpressionAttributeNames": said.names,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if said.values:
            part["ExpressionAttributeValues"] = {name: {"N": str(value)} for name, value in said.values.items()}
        if said.condition:
            part["ConditionExpression"] = said.condition
        return {"Update": part}

    async def _outcome(self, key: _Key, expressions: Expressions) -> Outcome:
        client = await self._aws.dynamodb()
        try:
            reply = await send(partial(self._update, client, key, expressions), was_throttled)
        except ClientError as error:
            if error_code(error) != _REFUSED:
                raise
            item = cast("Mapping[str, AttributeValueTypeDef]", error.response.get("Item", {}))
            return Refused(_item(item) if item else None, _store_time_s(error))
        return Applied(_item(reply["Attributes"]))

    async def _update(self, client: DynamoDBClient, key: _Key, expressions: Expressions) -> UpdateItemOutputTypeDef:
        ask = partial(
            client.update_item,
            TableName=self._table,
            Key=key,
            UpdateExpression=expressions.update,
            ExpressionAttributeNames=expressions.names,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        if expressions.values:
            ask = partial(ask, ExpressionAttributeValues={k: {"N": str(n)} for k, n in expressions.values.items()})
        return await (ask(ConditionExpression=expressions.condition) if expressions.condition else ask())


def _out_of_reach() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The ledger is out of reach. Please try again in a few seconds.", retry_after_s=_RETRY_AFTER_S
    )


def _refused(reason: CancellationReason, error: ClientError) -> Refused | None:
    if reason.get("Code") != _FAILED:
        return None
    item = reason.get("Item")
    return Refused(_item(item) if item else None, _store_time_s(error))


def _item(attributes: Mapping[str, AttributeValueTypeDef]) -> Item:
    return {name: int(value["N"]) for name, value in attributes.items() if "N" in value}


def _store_time_s(error: ClientError) -> float:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return parsedate_to_datetime(headers["date"]).timestamp()
