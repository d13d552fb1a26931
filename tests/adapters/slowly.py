"""What if the outside takes a moment, in which everybody else runs? The fakes' ports, a few turns late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedge.core.conditional_update import ConditionalUpdate, ItemUpdate, Outcome, Refusals
    from embedge.ports import ControlTable, LedgerTable

_TURNS = 3


async def turns(count: int = _TURNS) -> None:
    """Let the others run, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


class SlowControlTable:
    """The ControlTable port on another; `meanwhile` is done while an answer is on its way back."""

    def __init__(self, table: ControlTable) -> None:
        self.table = table
        self.meanwhile: Callable[[], None] = lambda: None

    async def query(self, pk: str) -> Mapping[str, str]:
        await turns()
        documents = await self.table.query(pk)
        self.meanwhile()
        await turns()
        return documents

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        await turns()
        await self.table.put(pk, sk, document, expires_s)

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        await turns()
        return await self.table.replace(pk, sk, seen, document)


class SlowLedgerTable:
    """The LedgerTable port on another; `how_long` says how many turns a request takes, and then its reply."""

    def __init__(self, table: LedgerTable, how_long: Callable[[], int] = lambda: _TURNS) -> None:
        self.table = table
        self.how_long = how_long

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        await turns(self.how_long())
        outcome = await self.table.apply(pk, sk, update)
        await turns(self.how_long())
        return outcome

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        await turns(self.how_long())
        refusals = await self.table.transact(first, second)
        await turns(self.how_long())
        return refusals
