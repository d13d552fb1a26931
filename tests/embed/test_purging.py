"""Is what was purged found by nobody, and all else still by everybody who may?"""

from __future__ import annotations

import asyncio

import pytest

from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.core.cache_key import space_id
from embedge.core.route import Space
from embedge.errors import EmbedgeError
from embedge.purging import ALL, HEARD_OF_S, Part, of_space, of_tenant, purge
from tests.embed.world import DIMENSIONS, MODEL, Setup, World
from tests.fakes import FakeControlTable

OWN = space_id(Space(MODEL, "1", DIMENSIONS, normalised=True))
OTHER = space_id(Space(MODEL, "2", DIMENSIONS, normalised=True))


async def hits_after(part: Part, setup: Setup) -> int:
    """Return how many of one text's hits are left once everybody has heard of a purge."""
    world = World(setup)
    await world.ask(["one"])
    assert (await world.ask(["one"])).hits == 1
    await purge(world.control, part)
    world.clock.pass_time(HEARD_OF_S)
    found = (await world.ask(["one"])).hits
    assert (await world.ask(["one"])).hits == 1
    return found


@pytest.mark.parametrize("part", [ALL, of_tenant("acme"), of_space(OWN)])
async def test_what_was_purged_is_a_miss_once_and_then_a_hit_again(part: Part) -> None:
    assert await hits_after(part, Setup()) == 0


@pytest.mark.parametrize("part", [of_tenant("umbrella"), of_space(OTHER)])
async def test_what_was_not_purged_stays_a_hit(part: Part) -> None:
    assert await hits_after(part, Setup()) == 1


async def test_what_all_share_is_no_tenant_s_to_purge() -> None:
    assert await hits_after(of_tenant("acme"), Setup(shared=True)) == 1
    assert await hits_after(of_space(OWN), Setup(shared=True)) == 0


async def test_of_operators_who_purge_at_once_each_counts() -> None:
    control = FakeControlTable()
    assert sorted(await asyncio.gather(*(purge(control, ALL) for _ in range(8)))) == list(range(1, 9))


async def test_of_operators_in_two_processes_each_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("state") / "state.db"
    one, two = SqliteState(path), SqliteState(path)
    tables = [SqliteControlTable(one), SqliteControlTable(two)]
    assert sorted([await purge(tables[number % 2], ALL) for number in range(6)]) == list(range(1, 7))
    one.close()
    two.close()


async def test_a_generation_that_cannot_be_read_is_not_counted_on_from() -> None:
    control = FakeControlTable({("GENERATIONS", "everything"): "seven"})
    with pytest.raises(EmbedgeError, match="everything"):
        await purge(control, ALL)
    assert control.documents["GENERATIONS", "everything"] == "seven"


async def test_entries_say_whose_they_are_and_who_made_them() -> None:
    world = World(Setup(shared=True))
    await world.ask(["one", "two"])
    part = of_space(OWN)
    assert len(world.cache.marks) == 2
    for owner, target, written_s in world.cache.marks.values():
        assert part.doomed(written_s + 1).holds(owner, written_s)
        assert (target, written_s) == ("target-0", int(world.clock.now_s()))
