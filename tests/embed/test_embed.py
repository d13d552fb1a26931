"""Does every position get the vector of its input, or nobody anything but an error that is true?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.core.request import NO_LIMIT
from embedge.errors import (
    BudgetSpent,
    EmbedgeError,
    RefusedByProvider,
    RequestRateLimited,
    ServiceUnavailable,
    TokenRateLimited,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.embed.world import LIMITS, PRICE, Deed, Setup, World, is_right, tokens_of

# Each begins with a letter that no message of ours has, so that a message with a text in it can be told.
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"ŧ{text}")
SETUPS = st.builds(
    Setup,
    wire=st.sampled_from(["openai", "tei"]),
    counts=st.booleans(),
    inputs_a_call=st.integers(1, 5),
    targets=st.integers(1, 3),
    shared=st.booleans(),
)
DEEDS: tuple[Deed, ...] = tuple(deed for deed in get_args(Deed) if deed != "hangs")


@st.composite
def batches(draw: st.DrawFn) -> list[list[str]]:
    """Batches that share texts, so that there are hits, misses and duplicates in every mixture."""
    pool = draw(st.lists(TEXTS, min_size=1, max_size=8, unique=True))
    return draw(st.lists(st.lists(st.sampled_from(pool), min_size=1, max_size=20), min_size=1, max_size=4))


@settings(deadline=None)
@given(batches=batches(), setup=SETUPS)
def test_every_position_holds_the_vector_of_its_input(batches: list[list[str]], setup: Setup) -> None:
    async def run() -> None:
        world = World(setup)
        seen: set[str] = set()
        for texts in batches:
            world.server.will("in reverse", times=20)
            asked_before = len(world.server.asked)
            embedded = await world.ask(texts)
            assert is_right(embedded, texts)
            asked = [text for call in world.server.asked[asked_before:] for text in call]
            assert sorted(asked) == sorted(set(texts) - seen), "each new text is asked for once, a known one never"
            assert embedded.hits == sum(text in seen for text in texts)
            assert embedded.misses == len(set(texts) - seen)
            seen |= set(texts)

    asyncio.run(run())


async def outcome(world: World, texts: list[str]) -> EmbedgeError | None:
    """Ask, hold what comes to what is right, and return the error where one came instead."""
    try:
        embedded = await world.ask(texts)
    except EmbedgeError as error:
        return error
    assert is_right(embedded, texts)
    return None


@settings(deadline=None, max_examples=300)
@given(batches=batches(), setup=SETUPS, deeds=st.lists(st.sampled_from(DEEDS), max_size=12))
def test_whatever_the_upstream_does_an_answer_is_right_or_an_error_and_is_paid_for(
    batches: list[list[str]], setup: Setup, deeds: list[Deed]
) -> None:
    async def run() -> None:
        world = World(setup)
        world.server.deeds.extend(deeds)
        for texts in batches:
            error = await outcome(world, texts)
            assert error is None or isinstance(error, UpstreamError | RefusedByProvider)
            assert error is None or not any(part in error.message for part in ("ŧ", "sk-"))
        assert world.cached_texts_are_right([text for texts in batches for text in texts])
        assert world.server.billed_nano_usd <= await world.charged_nano_usd()

    asyncio.run(run())


@settings(deadline=None)
@given(batches=batches(), setup=SETUPS)
def test_usage_is_the_same_on_a_hit_as_on_its_miss(batches: list[list[str]], setup: Setup) -> None:
    async def run() -> None:
        world = World(replace(setup, counts=True))
        for texts in batches:
            for _ in range(2):
                assert (await world.ask(texts)).tokens == sum(map(tokens_of, texts))
                assert world.observation.miscounted_calls == 0

    asyncio.run(run())


@settings(deadline=None)
@given(batches=batches(), setup=SETUPS)
def test_where_nothing_fails_the_charge_is_exactly_the_bill(batches: list[list[str]], setup: Setup) -> None:
    async def run() -> None:
        world = World(replace(setup, wire="openai"))
        for texts in batches:
            await world.ask(texts)
        assert await world.charged_nano_usd() == world.server.billed_nano_usd

    asyncio.run(run())


UNBILLED: list[tuple[Deed, type[EmbedgeError]]] = [
    ("busy", UpstreamUnavailable),
    ("broken", UpstreamUnavailable),
    ("refuses the key", UpstreamRejected),
    ("refuses the input", RefusedByProvider),
    ("quota spent", UpstreamRejected),
    ("unreachable", UpstreamUnavailable),
]
NONSENSE: list[Deed] = ["repeats an index", "drops one", "adds one", "not finite", "too short", "not JSON"]


@pytest.mark.parametrize(("deed", "expected"), UNBILLED)
async def test_a_failure_that_no_provider_bills_is_charged_to_nobody(deed: Deed, expected: type[EmbedgeError]) -> None:
    world = World()
    world.server.will(deed, times=10)
    with pytest.raises(expected):
        await world.ask(["a", "b"])
    assert await world.charged_nano_usd() == 0
    assert world.cache.values == {}


@pytest.mark.parametrize("deed", [*NONSENSE[1:], "breaks off", "too slow"])  # rows without indices cannot repeat one
async def test_a_server_of_our_own_is_paid_for_nothing_but_vectors(deed: Deed) -> None:
    world = World(Setup(wire="tei"))
    world.server.will(deed, times=10)
    with pytest.raises(UpstreamError):
        await world.ask(["a", "b"])
    assert await world.charged_nano_usd() == 0
    assert world.cache.values == {}


@pytest.mark.parametrize("deed", NONSENSE)
async def test_nonsense_is_an_invalid_response_and_costs_what_its_usage_says(deed: Deed) -> None:
    world = World()
    world.server.will(deed)
    with pytest.raises(UpstreamInvalidResponse):
        await world.ask(["some text", "another"])
    bound = -(-len("some textanother") * PRICE // 1_000_000)
    assert await world.charged_nano_usd() == (bound if deed == "not JSON" else world.server.billed_nano_usd)
    assert world.cache.values == {}


@pytest.mark.parametrize(("deed", "expected"), [("breaks off", UpstreamUnavailable), ("too slow", UpstreamTimeout)])
async def test_each_try_whose_outcome_is_unknown_counts_as_billed(deed: Deed, expected: type[EmbedgeError]) -> None:
    world = World()
    world.server.will(deed, times=10)
    with pytest.raises(expected):
        await world.ask(["some text"])
    tries = len(world.server.asked)
    assert tries > 1
    assert await world.charged_nano_usd() == tries * -(-len("some text") * PRICE // 1_000_000)


async def test_a_busy_server_is_asked_again_and_the_caller_never_knows() -> None:
    world = World()
    world.server.will("busy", "unreachable")
    assert is_right(await world.ask(["a"]), ["a"])


async def test_nonsense_from_one_target_is_asked_of_the_next() -> None:
    world = World(Setup(targets=2))
    world.server.will("drops one")
    embedded = await world.ask(["a", "b"])
    assert is_right(embedded, ["a", "b"])
    assert embedded.targets == ("target-1",)


async def test_the_deadline_ends_a_request_and_what_hung_counts_as_billed() -> None:
    world = World()
    world.server.will("hangs")
    with pytest.raises(UpstreamTimeout):
        await world.ask(["some text"], seconds=0.05)
    assert await world.charged_nano_usd() == -(-len("some text") * PRICE // 1_000_000)


async def test_what_came_before_another_call_failed_is_kept_and_not_paid_for_again() -> None:
    world = World(Setup(inputs_a_call=1))
    world.server.will("right", "refuses the input")
    with pytest.raises(RefusedByProvider):
        await world.ask(["a", "b"])
    assert (await world.ask(["a"])).hits == 1
    assert await world.charged_nano_usd() == world.server.billed_nano_usd


async def test_a_call_that_is_still_waiting_is_not_sent_once_another_has_failed() -> None:
    world = World(Setup(inputs_a_call=1))  # three at once
    world.server.will("refuses the input", times=40)
    with pytest.raises(RefusedByProvider):
        await world.ask([str(number) for number in range(40)])
    assert len(world.server.asked) <= 3


async def test_hits_write_nothing_to_the_balance_and_need_no_ledger() -> None:
    world = World()
    await world.ask(["a"])
    before = dict(world.table.items["acme", "B"])
    world.table.down = True
    embedded = await world.ask(["a", "a"])
    assert (embedded.hits, embedded.cost_nano_usd) == (2, 0)
    assert world.table.items["acme", "B"] == before


async def test_without_the_ledger_a_miss_is_refused_and_nothing_is_sent() -> None:
    world = World()
    world.table.down = True
    with pytest.raises(ServiceUnavailable):
        await world.ask(["a"])
    assert world.server.asked == []


async def test_a_cache_that_is_down_makes_misses_and_no_error() -> None:
    world = World()
    await world.ask(["a"])
    world.cache.down = True
    embedded = await world.ask(["a"])
    assert is_right(embedded, ["a"])
    assert embedded.misses == 1


async def test_a_budget_is_used_to_its_last_token_where_tokens_can_be_counted() -> None:
    text = "thirty bytes of text, exactly!"
    exact = -(-tokens_of(text) * PRICE // 1_000_000)
    world = World(Setup(counts=True, limits=replace(LIMITS, day_nano_usd=exact)))
    assert (await world.ask([text])).cost_nano_usd == exact
    with pytest.raises(BudgetSpent):
        await world.ask([text + " and more"])
    assert is_right(await world.ask([text]), [text])


async def test_a_spent_budget_sends_nothing_and_takes_nothing() -> None:
    world = World(Setup(limits=replace(LIMITS, month_nano_usd=10)))
    with pytest.raises(BudgetSpent, match="monthly"):
        await world.ask(["far too long for ten nano-dollars"])
    assert world.server.asked == []
    assert await world.charged_nano_usd() == 0


async def test_another_try_that_the_budget_does_not_cover_is_not_made() -> None:
    text = "some text"
    bound = -(-len(text) * PRICE // 1_000_000)
    world = World(Setup(limits=replace(LIMITS, total_nano_usd=bound)))
    world.server.will("breaks off", times=5)
    with pytest.raises(UpstreamUnavailable):
        await world.ask([text])
    assert len(world.server.asked) == 1


async def test_requests_over_the_rate_are_refused_with_the_time_to_wait() -> None:
    world = World(Setup(limits=replace(LIMITS, requests_per_minute=2)))
    await world.ask(["a"])
    await world.ask(["a"])
    with pytest.raises(RequestRateLimited) as caught:
        await world.ask(["a"])
    assert caught.value.retry_after_s == pytest.approx(30, abs=0.01)
    world.clock.pass_time(30.01)
    await world.ask(["a"])


async def test_tokens_over_the_rate_are_refused_and_nothing_is_sent() -> None:
    world = World(Setup(limits=replace(LIMITS, tokens_per_minute=10)))
    await world.ask(["12345678"])
    asked = len(world.server.asked)
    with pytest.raises(TokenRateLimited) as caught:
        await world.ask(["abcdefgh"])
    assert caught.value.retry_after_s is not None
    assert len(world.server.asked) == asked


async def test_a_retry_does_not_pay_again_for_what_a_hold_already_covers() -> None:
    world = World()
    world.server.will("busy", "broken")
    await world.ask(["some text"])
    assert await world.charged_nano_usd() == world.server.billed_nano_usd


async def test_no_limit_is_no_limit() -> None:
    world = World(Setup(limits=replace(LIMITS, day_nano_usd=NO_LIMIT, month_nano_usd=NO_LIMIT)))
    assert is_right(await world.ask(["a"]), ["a"])
