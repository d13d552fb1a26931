"""Does what is said of a tenant stand, whoever else says something, and is it announced to everybody?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from typing_extensions import override

from embedge import tenancy
from embedge.core.changes import Changes, read_changes
from embedge.core.tenant_document import EVERYBODY, Block, TenantDocument
from embedge.errors import InvalidValue, ServiceUnavailable
from tests.adapters.slowly import SlowControlTable
from tests.fakes import FakeControlTable

BLOCKED, FREE = Block(blocked=True, at_s=100, reason="alarm"), Block(blocked=False, at_s=200)


def announced(control: FakeControlTable) -> Changes:
    changes = read_changes(control.documents.get(("CHANGES", "last")))
    assert changes is not None
    return changes


def with_day(nano_usd: int) -> tenancy.Callable[[TenantDocument], TenantDocument]:
    return lambda document: replace(document, day_nano_usd=nano_usd)


async def test_a_change_keeps_what_it_does_not_name_and_makes_the_version_rise() -> None:
    control = FakeControlTable()
    await tenancy.put(control, "acme", lambda document: replace(document, requests_per_minute=5))
    await tenancy.put(control, "acme", with_day(7))
    expected = TenantDocument(2, day_nano_usd=7, requests_per_minute=5)
    assert await tenancy.known(control, "acme") == tenancy.Known(expected, {})
    assert await tenancy.names(control) == ["acme"]
    assert announced(control) == Changes(2, ("TENANT#acme", "TENANT#acme"))


async def test_of_two_changes_at_once_both_count() -> None:
    control = FakeControlTable()
    slow = SlowControlTable(control)
    await asyncio.gather(
        tenancy.put(slow, "acme", with_day(7)),
        tenancy.put(slow, "acme", lambda document: replace(document, month_nano_usd=9)),
    )
    assert (await tenancy.known(control, "acme")).document == TenantDocument(2, day_nano_usd=7, month_nano_usd=9)
    assert announced(control).count == 2


@pytest.mark.parametrize("name", ["", "*", "a b", "ä", "x" * 65, "a#B", "a/b"])
async def test_no_tenant_has_a_name_that_no_token_could_have(name: str) -> None:
    with pytest.raises(InvalidValue):
        await tenancy.put(FakeControlTable(), name, with_day(7))
    if name != EVERYBODY:
        with pytest.raises(InvalidValue):
            await tenancy.say(FakeControlTable(), name, "operator", BLOCKED)


async def test_nobody_may_write_what_no_process_could_read() -> None:
    control = FakeControlTable()
    with pytest.raises(InvalidValue):
        await tenancy.put(control, "acme", lambda document: replace(document, requests_per_minute=0))
    assert ("TENANT#acme", "CONF") not in control.documents


async def test_a_source_may_take_back_its_own_block_and_no_others() -> None:
    control = FakeControlTable()
    await tenancy.say(control, "acme", "operator", BLOCKED)
    assert await tenancy.say(control, "acme", "guard#burn", replace(FREE, at_s=10**9))
    blocks = (await tenancy.known(control, "acme")).blocks
    assert {source: block.blocked for source, block in blocks.items()} == {"operator": True, "guard#burn": False}


async def test_events_that_come_late_or_twice_change_nothing() -> None:
    control = FakeControlTable()
    assert await tenancy.say(control, EVERYBODY, "guard#burn", FREE)
    assert not await tenancy.say(control, EVERYBODY, "guard#burn", BLOCKED)
    assert await tenancy.say(control, EVERYBODY, "guard#burn", FREE)
    assert not await tenancy.say(control, EVERYBODY, "guard#burn", replace(FREE, blocked=True))
    assert (await tenancy.known(control, EVERYBODY)).blocks == {"guard#burn": FREE}


async def test_of_events_at_once_the_newest_stands_whatever_their_order() -> None:
    control = FakeControlTable()
    events = [Block(blocked=number > 4, at_s=number) for number in (3, 9, 1, 7, 5)]
    await asyncio.gather(*(tenancy.say(SlowControlTable(control), "acme", "guard#burn", event) for event in events))
    assert (await tenancy.known(control, "acme")).blocks["guard#burn"].at_s == 9


async def test_what_could_not_be_announced_is_when_it_is_said_again() -> None:
    control = FakeControlTable()

    class BreaksOff(SlowControlTable):
        @override
        async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
            if pk == "CHANGES":
                raise ServiceUnavailable("lost")
            return await super().replace(pk, sk, seen, document)

    with pytest.raises(ServiceUnavailable):
        await tenancy.say(BreaksOff(control), "acme", "operator", BLOCKED)
    assert announced(control).count == 0
    assert await tenancy.say(control, "acme", "operator", BLOCKED)
    assert announced(control) == Changes(1, ("TENANT#acme",))


async def test_a_document_of_changes_that_cannot_be_read_is_begun_anew() -> None:
    control = FakeControlTable({("CHANGES", "last"): "{"})
    await tenancy.announce(control, "KEYS")
    assert announced(control) == Changes(1, ("KEYS",))
