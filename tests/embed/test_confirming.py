"""Is nobody served who may not be by now, whatever was known when the request came, and does that cost no wait?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge.core.allowance import asked
from embedge.core.request import Principal
from embedge.errors import (
    CredentialRevoked,
    EmbedgeError,
    ModelNotAllowed,
    ScopeMissing,
    ServiceUnavailable,
    TenantBlocked,
)
from tests.embed.world import LIMITS, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from embedge.core.request import ServiceTier

KNOWN = Principal("acme", frozenset({"embeddings"}), ("*",), LIMITS)


class Late:
    """The Authenticator port: knows one thing at first, and confirms another."""

    def __init__(
        self,
        confirmed: Principal | EmbedgeError,
        before: Callable[[], Awaitable[None]] | None = None,
        known: Principal = KNOWN,
    ) -> None:
        self._known = known
        self._confirmed = confirmed
        self._before = before

    async def verify(self, credential: str | None) -> Principal:
        del credential
        return self._known

    async def confirm(self, credential: str | None) -> Principal:
        del credential
        if self._before:
            await self._before()
        if isinstance(self._confirmed, EmbedgeError):
            raise self._confirmed
        return self._confirmed


def world_of(authenticator: Late) -> World:
    world = World()
    world.services = replace(world.services, authenticator=authenticator)
    return world


REFUSALS = [
    (TenantBlocked("x"), TenantBlocked),
    (CredentialRevoked("x"), CredentialRevoked),
    (ServiceUnavailable("x"), ServiceUnavailable),
    (replace(KNOWN, models=("other",)), ModelNotAllowed),
    (replace(KNOWN, narrower_models=(("*",), ("other",))), ModelNotAllowed),
    (replace(KNOWN, scopes=frozenset({"models"})), ScopeMissing),
    (replace(KNOWN, tenant="zoo"), ServiceUnavailable),
]


@pytest.mark.parametrize(("confirmed", "because"), REFUSALS, ids=range(len(REFUSALS)))
async def test_who_may_not_be_served_by_now_is_not_not_even_what_the_cache_holds_and_pays_nothing(
    confirmed: Principal | EmbedgeError, because: type[EmbedgeError]
) -> None:
    world = world_of(Late(KNOWN))
    await world.ask(["known"])
    calls, charged = len(world.server.asked), await world.charged_nano_usd()
    world.services = replace(world.services, authenticator=Late(confirmed))
    for texts in (["known"], ["new"], ["known", "new"]):
        with pytest.raises(because):
            await world.ask(texts)
    assert (len(world.server.asked), await world.charged_nano_usd()) == (calls, charged)


@pytest.mark.parametrize(
    "known", [replace(KNOWN, scopes=frozenset()), replace(KNOWN, models=()), replace(KNOWN, narrower_models=(("x",),))]
)
async def test_nobody_is_refused_by_what_was_known_and_has_changed_since(known: Principal) -> None:
    world = world_of(Late(KNOWN, known=known))
    assert (await world.ask(["text"])).vectors


async def test_the_cache_is_asked_while_it_is_confirmed_who_asks() -> None:
    async def until_it_was_asked() -> None:
        async with asyncio.timeout(2):
            while not world.cache.reads:  # noqa: ASYNC110 (the fake counts, and tells nobody)
                await asyncio.sleep(0)

    world = world_of(Late(KNOWN, until_it_was_asked))
    await world.ask(["text"])
    assert world.cache.reads


async def test_the_limits_are_those_that_were_confirmed() -> None:
    world = world_of(Late(replace(KNOWN, limits=replace(LIMITS, day_nano_usd=0))))
    with pytest.raises(EmbedgeError, match="budget"):
        await world.ask(["text"])


@pytest.mark.parametrize(
    ("bearer", "asks", "gets"),
    [
        ("auto", None, None),
        ("auto", "auto", "auto"),
        ("auto", "default", "default"),
        ("auto", "flex", "flex"),
        ("default", None, "default"),
        ("default", "auto", "default"),
        ("default", "flex", "flex"),
        ("flex", None, "flex"),
        ("flex", "default", "flex"),
        ("flex", "auto", "flex"),
    ],
)
def test_a_request_is_served_in_no_wider_tier_than_its_bearer_may_be(
    bearer: ServiceTier, asks: ServiceTier | None, gets: ServiceTier | None
) -> None:
    assert asked(replace(KNOWN, tier=bearer), asks) == gets


async def test_a_bearer_that_may_only_have_flex_takes_nothing_from_the_rate() -> None:
    limits = replace(LIMITS, requests_per_minute=1, over_limit_percent=400)
    world = world_of(Late(replace(KNOWN, limits=limits, tier="flex")))
    await world.ask(["text"])
    assert world.observation.tier == "flex"
