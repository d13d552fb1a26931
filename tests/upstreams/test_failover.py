"""Where does a call go when a target fails, how often, and when not at all?"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from embedge.errors import (
    BudgetSpent,
    EmbeddingsNotAvailable,
    RefusedByProvider,
    ServiceUnavailable,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from embedge.upstreams.retry_budget import FULL
from tests.embed.world import LIMITS, PRICE
from tests.upstreams.simulated import simulated
from tests.upstreams.world import READ_TIMEOUT_S, Deed, Kind, Setup, World

if TYPE_CHECKING:
    from embedge.errors import EmbedgeError


@simulated
async def test_the_lowest_priority_is_asked_first_and_the_next_only_where_it_fails() -> None:
    world = World(Setup(priorities=(1, 0, 2)))
    world.servers.will("b", "right", "broken", "busy")
    for number in range(3):
        await world.ask([str(number)])
    assert world.targets_asked() == "bbaba"


@simulated
async def test_targets_of_one_priority_share_the_calls_by_their_weights() -> None:
    world = World(Setup(priorities=(0, 0, 1), weights=(3, 1, 9)))
    for number in range(400):
        await world.ask([str(number)])
    asked = Counter(world.targets_asked())
    assert abs(asked["a"] - 300) < 40
    assert asked["c"] == 0


@simulated
async def test_every_target_is_asked_before_any_is_asked_again_and_that_only_after_a_pause() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", "broken")
    world.servers.will("b", "broken")
    await world.ask(["text"])
    first, second, third = world.servers.sent
    assert world.targets_asked() in {"aba", "abb"}
    assert first.at_s == second.at_s < third.at_s


@simulated
async def test_a_target_that_was_never_asked_comes_before_one_that_is_ready_again() -> None:
    world = World(Setup(priorities=(0, 1, 2)))
    world.servers.will("a", "broken")
    world.servers.will("b", Deed("broken", delay_s=5.0))
    await world.ask(["text"])
    assert world.targets_asked() == "abc"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("refuses the connection", UpstreamUnavailable),
        ("busy", UpstreamUnavailable),
        ("down", UpstreamUnavailable),  # a 503 that says nothing of a start
    ],
)
@simulated
async def test_a_call_is_tried_three_times_or_once_at_each_of_more_targets(
    kind: Kind, expected: type[EmbedgeError]
) -> None:
    for targets in (1, 2, 3, 5):
        world = World(Setup(priorities=range(targets)))
        world.servers.always = dict.fromkeys("abcde", Deed(kind))
        assert isinstance(await world.outcome(["text"]), expected)
        assert len(world.servers.sent) == max(3, targets)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("refuses the key", UpstreamRejected),
        ("drops one", UpstreamInvalidResponse),
        ("not finite", UpstreamInvalidResponse),
        ("repeats an index", UpstreamInvalidResponse),
        ("no embeddings", EmbeddingsNotAvailable),
    ],
)
@simulated
async def test_what_the_same_target_would_only_say_again_is_asked_of_others_alone(
    kind: Kind, expected: type[EmbedgeError]
) -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", kind, kind)
    await world.ask(["text"])
    world.servers.will("b", kind)
    assert isinstance(await world.outcome(["other"]), expected)
    assert world.targets_asked() == "abab"


@simulated
async def test_what_is_wrong_with_the_input_is_asked_of_nobody_else() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", "refuses the input")
    error = await world.outcome(["text"])
    assert isinstance(error, RefusedByProvider)
    assert error.param == "input[0]"
    assert world.targets_asked() == "a"


@simulated
async def test_a_server_that_says_how_long_to_wait_is_not_asked_before() -> None:
    world = World()
    world.servers.will("a", Deed("busy", retry_after_s=3.0))
    await world.ask(["text"])
    first, second = world.servers.sent
    assert 3.0 <= second.at_s - first.at_s <= 3.2


@simulated
async def test_where_the_wait_does_not_fit_the_deadline_the_caller_hears_at_once_how_long_it_is() -> None:
    world = World()
    world.servers.will("a", Deed("busy", retry_after_s=40.0))
    before_s = asyncio.get_running_loop().time()
    error = await world.outcome(["text"], seconds=20)
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after_s == 40.0
    assert asyncio.get_running_loop().time() == before_s


@simulated
async def test_where_the_wait_does_not_fit_the_caller_hears_of_it_also_when_another_target_refuses_for_good() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", Deed("busy", retry_after_s=40.0))
    world.servers.will("b", "refuses the key")
    error = await world.outcome(["text"], seconds=20)
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after_s == 40.0


@simulated
async def test_another_target_is_asked_while_one_says_wait() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", Deed("busy", retry_after_s=40.0))
    await world.ask(["text"])
    assert world.targets_asked() == "ab"


@simulated
async def test_a_busy_target_gets_a_fifth_more_than_it_is_asked_for_and_no_more() -> None:
    world = World()
    world.servers.always["a"] = Deed("busy")
    calls = 200
    for number in range(calls):
        await world.outcome([str(number)])
    assert calls + FULL <= len(world.servers.sent) <= calls + FULL + calls / 5


@simulated
async def test_failing_over_to_another_target_needs_no_permission() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.always["a"] = Deed("busy")
    for number in range(200):
        await world.ask([str(number)])


@simulated
async def test_no_more_calls_than_a_targets_limit_are_under_way_and_waiting_counts_against_the_deadline() -> None:
    world = World(Setup(inputs_a_call=1, concurrency=2))
    world.servers.usual_s = 1.0
    error = await world.outcome([str(number) for number in range(20)], seconds=5.5)
    assert isinstance(error, UpstreamTimeout)
    assert world.servers.most_at_once["a"] == 2
    assert len(world.servers.sent) == 12


@simulated
async def test_where_a_target_has_no_place_left_another_of_its_rank_serves_and_one_of_a_lower_rank_does_not() -> None:
    for priorities, served in (((0, 0), 7), ((0, 1), 0)):
        world = World(Setup(priorities=priorities, concurrency=1))
        world.servers.always["a"] = Deed("right", delay_s=3.0)
        asking = asyncio.gather(*(world.ask([str(number)]) for number in range(8)))
        await asyncio.sleep(2.9)
        assert len(world.sent_to("a")) == 1
        assert len(world.sent_to("b")) == served
        await asking


@simulated
async def test_a_target_that_hangs_keeps_no_call_from_another_of_its_rank() -> None:
    world = World(Setup(priorities=(0, 0), concurrency=2))
    world.servers.always["a"] = Deed("hangs")
    began_s = asyncio.get_running_loop().time()
    asking = [asyncio.create_task(world.ask([str(number)])) for number in range(12)]
    done, hanging = await asyncio.wait(asking, timeout=5.0)
    assert (len(done), len(hanging)) == (10, 2)
    await asyncio.gather(*asking)
    assert asyncio.get_running_loop().time() - began_s < READ_TIMEOUT_S + 1


@simulated
async def test_who_is_cut_off_while_waiting_for_a_place_takes_none_along() -> None:
    world = World(Setup(priorities=(0, 0), concurrency=1))
    world.servers.always = dict.fromkeys("ab", Deed("right", delay_s=1.0))
    for seconds in (0.5, 1.0, 1.5, 2.0):
        await asyncio.gather(*(world.outcome([f"{number} in {seconds}"], seconds) for number in range(6)))
        before = len(world.servers.sent)
        await asyncio.gather(*(world.ask([f"{number} after {seconds}"]) for number in range(2)))
        first, second = world.servers.sent[before:]
        assert (first.at_s, {first.target, second.target}) == (second.at_s, {"a", "b"})


@simulated
async def test_a_place_is_given_up_during_a_pause() -> None:
    world = World(Setup(inputs_a_call=1, concurrency=1))
    world.servers.will("a", Deed("busy", retry_after_s=5.0))
    await world.ask(["first", "second", "third"])
    assert [entry.texts[0] for entry in world.servers.sent] == ["first", "second", "third", "first"]


@simulated
async def test_a_pause_ends_when_another_call_has_failed_for_good() -> None:
    world = World(Setup(inputs_a_call=1))
    world.servers.will("a", Deed("busy", retry_after_s=15.0), Deed("refuses the input", delay_s=1.0))
    before_s = asyncio.get_running_loop().time()
    assert isinstance(await world.outcome(["first", "second"]), RefusedByProvider)
    assert asyncio.get_running_loop().time() == before_s + 1.0


@simulated
async def test_a_target_that_hangs_is_left_for_the_next_in_time_and_counts_as_billed() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.servers.will("a", "hangs")
    before_s = asyncio.get_running_loop().time()
    await world.ask(["text"], seconds=25)
    assert asyncio.get_running_loop().time() - before_s == pytest.approx(READ_TIMEOUT_S + world.servers.usual_s)
    assert await world.charged_nano_usd() > world.servers.billed_nano_usd / 2


@simulated
async def test_a_try_that_the_budget_does_not_cover_is_not_sent_and_what_the_last_one_met_stands() -> None:
    text = "some text"
    bound = -(-len(text) * PRICE // 1_000_000)
    world = World(Setup(priorities=(0, 1), limits=replace(LIMITS, total_nano_usd=bound)))
    world.servers.will("a", "resets")
    assert isinstance(await world.outcome([text]), UpstreamUnavailable)
    assert world.targets_asked() == "a"
    assert isinstance(await world.outcome([text]), BudgetSpent)


@simulated
async def test_what_a_request_never_got_it_never_asks_for_after_its_deadline() -> None:
    world = World()
    assert isinstance(await world.outcome(["text"], seconds=0.0), UpstreamError)
    assert world.servers.sent == []


@simulated
async def test_a_target_whose_secret_is_out_of_reach_is_left_for_the_next() -> None:
    world = World(Setup(priorities=(0, 1)))
    world.secrets.out_of_reach.add("env:a")
    await world.ask(["text"])
    world.secrets.out_of_reach.add("env:b")
    assert isinstance(await world.outcome(["other"]), ServiceUnavailable)
    assert world.targets_asked() == "b"


@simulated
async def test_a_fault_of_our_own_is_raised_as_what_it_is() -> None:
    world = World(Setup(inputs_a_call=1))
    world.world.services = replace(world.world.services, upstreams=world.upstreams({}))
    with pytest.raises(KeyError):
        await world.outcome(["text", "other"])


@simulated
async def test_a_refused_key_is_read_again_and_the_call_sent_once_more_where_there_is_a_new_one() -> None:
    world = World(Setup())
    world.secrets.newer = "sk-newer"
    world.servers.will("a", "refuses the key")
    await world.ask(["text"])
    assert world.targets_asked() == "aa"
    world.servers.will("a", "refuses the key", "refuses the key", "right")
    with pytest.raises(UpstreamRejected):
        await world.ask(["another text"])
    assert world.targets_asked() == "aaaa"


@simulated
async def test_a_refused_key_that_is_still_the_same_is_not_sent_again() -> None:
    world = World(Setup())
    world.servers.will("a", "refuses the key")
    with pytest.raises(UpstreamRejected):
        await world.ask(["text"])
    assert world.targets_asked() == "a"
