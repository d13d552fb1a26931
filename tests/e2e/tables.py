"""What does a function need to find in DynamoDB before it serves? Its tables, a key and routes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.bootstrap.operating import operate_folder
from embedge.cli.key_commands import init_keys
from embedge.cli.token_commands import mint
from embedge.core.identity import ISSUED_SCOPES
from embedge.core.route_document import parse_route
from embedge.settings import Settings
from embedge.verification import ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Key: TypeAlias = "dict[str, Literal['S', 'B']]"
PAIR: _Key = {"pk": "S", "sk": "S"}
HASH: _Key = {"k": "B"}
TABLES: Mapping[str, _Key] = {"control": PAIR, "ledger": PAIR, "cache": HASH}
# What a function is told of them.
VARIABLES = {f"EMBEDGE_{name.upper()}_TABLE": name for name in TABLES}


def fill(endpoint: str, folder: Path, routes: Sequence[str], others: Mapping[str, _Key] | None = None) -> str:
    """Make the tables and others in the DynamoDB there, a key (its private part in the folder) and these routes.

    Return a token that the functions will take.
    """
    return asyncio.run(_fill(endpoint, folder, routes, {**TABLES, **(others or {})}))


async def _fill(endpoint: str, folder: Path, routes: Sequence[str], tables: Mapping[str, _Key]) -> str:
    aws = AwsClients(StandIn(endpoint, "us-east-1", "test", "test"))
    operation = operate_folder(folder, Settings(state=folder))
    try:
        for name, key in tables.items():
            await _make(aws, name, key)
        deployed = replace(operation, control=DynamoDbControlTable(aws, "control"))
        await init_keys(deployed)
        for document in routes:
            await deployed.control.put(ROUTES, parse_route(document.encode()).alias, document)
        return await mint(deployed, tenant="acme", scopes=ISSUED_SCOPES, models=("*",), lifetime_s=3600)
    finally:
        await operation.close()
        await aws.close()


async def _make(aws: AwsClients, name: str, key: _Key) -> None:
    client = await aws.dynamodb()
    await client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": kind} for part, kind in key.items()],
        KeySchema=[
            {"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    )
