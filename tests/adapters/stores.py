"""Where can a port's contract be tested? In memory, in SQLite, and in a DynamoDB that runs on this machine."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.core.aws_access import Credentials, DynamoDbAccess

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

Key: TypeAlias = "dict[str, Literal['S', 'B']]"

STORES = ("fake", "sqlite", pytest.param("dynamodb", marks=pytest.mark.slow))
LEAN = pytest.param("lean dynamodb", marks=pytest.mark.slow)  # where the api function asks, without botocore
PAIR: Key = {"pk": "S", "sk": "S"}
HASH: Key = {"k": "B"}


@asynccontextmanager
async def dynamodb_table(endpoint: str, key: Key, way: str = "dynamodb") -> AsyncGenerator[tuple[AwsClients, str]]:
    """Clients of the DynamoDB there, of this way, and the name of a new table with this key."""
    lean = DynamoDbAccess(endpoint, "us-east-1", Credentials("test", "test", ""))
    aws = AwsClients(StandIn(endpoint, "us-east-1", "test", "test"), lean if way == "lean dynamodb" else None)
    table = f"t-{uuid.uuid4().hex}"
    try:
        client = await aws.dynamodb()
        await client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in key.items()],
            KeySchema=[
                {"AttributeName": name, "KeyType": role} for name, role in zip(key, ("HASH", "RANGE"), strict=False)
            ],
        )
        yield aws, table
    finally:
        await aws.close()
