"""Does every Control table do what the port says?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.sqlite_state import SqliteState
from tests.adapters.stores import LEAN, PAIR, STORES, dynamodb_table
from tests.fakes import FakeControlTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from embedge.ports import ControlTable


@pytest.fixture(params=[*STORES, LEAN])
async def control(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ControlTable]:
    match request.param:
        case "sqlite":
            state = SqliteState(tmp_path / "state.db")
            yield SqliteControlTable(state)
            state.close()
        case "dynamodb" | "lean dynamodb":
            endpoint: str = request.getfixturevalue("dynamodb_endpoint")
            async with dynamodb_table(endpoint, PAIR, request.param) as (aws, table):
                yield DynamoDbControlTable(aws, table)
        case _:
            yield FakeControlTable()


async def test_a_document_is_read_as_it_was_written(control: ControlTable) -> None:
    document = '{"é": "\\u0000 \U0001f600", "n": 1.0}'
    await control.put("ROUTES", "small", document)
    assert await control.query("ROUTES") == {"small": document}


async def test_where_there_is_no_document_there_is_none(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "{}")
    assert await control.query("KEYS") == {}


async def test_writing_again_replaces(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "1")
    await control.put("ROUTES", "small", "2")
    assert await control.query("ROUTES") == {"small": "2"}


async def test_a_document_is_replaced_only_where_it_is_what_was_seen(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "1")
    for seen in (None, "", "2", "1 "):
        assert not await control.replace("ROUTES", "small", seen, "3")
        assert not await control.replace("ROUTES", "small", seen, None)
    assert await control.query("ROUTES") == {"small": "1"}
    assert await control.replace("ROUTES", "small", "1", "2")
    assert await control.query("ROUTES") == {"small": "2"}


async def test_a_document_is_new_only_where_there_is_none(control: ControlTable) -> None:
    assert not await control.replace("ROUTES", "small", "1", "2")
    assert not await control.replace("ROUTES", "small", "1", None)
    assert await control.replace("ROUTES", "small", None, "1")
    assert not await control.replace("ROUTES", "small", None, "2")
    assert await control.query("ROUTES") == {"small": "1"}


async def test_what_is_taken_away_is_gone_and_nothing_else(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "1")
    await control.put("ROUTES", "large", "1")
    assert await control.replace("ROUTES", "small", "1", None)
    assert await control.query("ROUTES") == {"large": "1"}
    assert await control.replace("ROUTES", "small", None, None)
    assert not await control.replace("ROUTES", "large", None, None)
    assert await control.query("ROUTES") == {"large": "1"}


async def test_of_many_who_have_seen_the_same_one_wins(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "seen")
    mine = [control.replace("ROUTES", "small", "seen", str(number)) for number in range(20)]
    won = await asyncio.gather(*mine)
    assert won.count(True) == 1
    assert await control.query("ROUTES") == {"small": str(won.index(True))}


async def test_a_query_finds_its_partition_and_nothing_else(control: ControlTable) -> None:
    await control.put("ROUTES", "small", "1")
    await control.put("ROUTES", "large", "2")
    await control.put("ROUTES2", "small", "3")
    assert await control.query("ROUTES") == {"small": "1", "large": "2"}


async def test_a_partition_larger_than_a_page_is_found_whole(control: ControlTable) -> None:
    # A page of DynamoDB's is a megabyte.
    documents = {f"route-{number}": str(number) + "x" * 300_000 for number in range(8)}
    for name, document in documents.items():
        await control.put("ROUTES", name, document)
    assert await control.query("ROUTES") == documents
