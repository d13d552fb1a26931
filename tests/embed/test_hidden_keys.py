"""Can nobody who reads the cache's table tell whether a text is in it, where the deployment wants that?"""

from __future__ import annotations

import pytest

from embedge import purging
from embedge.core.request import EmbeddingRequest
from embedge.core.wanted import want
from embedge.errors import ServiceUnavailable
from tests.embed.world import MODEL, Setup, World, is_right

SECRET = "correct horse battery staple"


async def guessed(world: World, text: str) -> set[bytes]:
    """Return the keys that one would look under who knows everything but the secret."""
    route = (await world.services.routes.current())[MODEL]
    return set(want(EmbeddingRequest(MODEL, (text,)), route, "acme").distinct_keys)


async def test_a_text_is_found_by_who_asks_and_not_by_who_guesses() -> None:
    world = World(Setup(key_secret=SECRET))
    for hits in (0, 1):
        answer = await world.ask(["a"])
        assert (answer.hits, is_right(answer, ["a"])) == (hits, True)
    assert not await guessed(world, "a") & world.cache.values.keys()


async def test_without_a_secret_a_guess_is_confirmed() -> None:
    world = World()
    await world.ask(["a"])
    assert await guessed(world, "a") == world.cache.values.keys()


async def test_another_secret_is_an_empty_cache() -> None:
    world, other = World(Setup(key_secret=SECRET)), World(Setup(key_secret=SECRET + "!"))
    await world.ask(["a"])
    other.cache.values = world.cache.values
    assert (await other.ask(["a"])).hits == 0


async def test_what_is_hidden_can_be_purged_and_really_deleted() -> None:
    world = World(Setup(key_secret=SECRET))
    await world.ask(["a"])
    part = purging.of_tenant("acme")
    await purging.purge(world.control, part)
    swept = await world.cache.sweep(part.doomed(int(world.clock.now_s()) + 1), None, 100)
    assert (swept.deleted, world.cache.values) == (1, {})


@pytest.mark.parametrize("secret", ["out of reach", "too short"])
async def test_without_the_secret_that_is_wanted_nothing_is_served_kept_or_told(secret: str) -> None:
    world = World(Setup(key_secret=secret))
    with pytest.raises(ServiceUnavailable) as refused:
        await world.ask(["a"])
    assert (world.server.asked, world.cache.values, refused.value.retry_after_s) == ([], {}, 5)
    assert "arn" not in refused.value.message
    assert secret not in refused.value.message
