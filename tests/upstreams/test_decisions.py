"""Does each decision keep its own law, whatever it is asked?"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.breaker import FAILURES_IN_A_ROW, LONGEST_OPEN_S, WINDOW, Breaker, Health
from embedge.core.route_document import parse_route
from embedge.upstreams.latencies import NEEDED, REMEMBERED, Latencies
from embedge.upstreams.pauses import LONGEST_PAUSE_S, cold_pause_s, pause_s
from embedge.upstreams.retry_budget import FULL, RetryBudget
from embedge.upstreams.target_order import in_order
from embedge.upstreams.target_states import MOST_REMEMBERED, TargetStates
from tests.core.samples import document, target

# The retry budget.


@given(st.lists(st.booleans(), max_size=200))
def test_repetitions_never_outnumber_a_full_bucket_and_a_fifth_of_the_first_calls(wishes: list[bool]) -> None:
    budget, first_calls, repetitions = RetryBudget(), 0, 0
    for is_first in wishes:
        if is_first:
            budget.earn()
            first_calls += 1
        elif budget.allows():
            budget.spend()
            repetitions += 1
        assert repetitions <= FULL + first_calls / 5


def test_a_bucket_holds_no_more_than_when_it_was_full() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn()
    for _ in range(FULL):
        assert budget.allows()
        budget.spend()
    assert not budget.allows()


# The breaker.


BAD: list[Health] = ["bad"]
GOOD: list[Health] = ["good"]
IN_TURN: list[Health] = ["bad", "good"]
ONE_IN_THREE: list[Health] = ["good", "bad", "bad"]


def say(breaker: Breaker, *healths: Health, now_s: float = 0.0, random: float = 0.0) -> None:
    for health in healths:
        breaker.leave(breaker.enter(), health, now_s, random)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    say(breaker, *BAD * FAILURES_IN_A_ROW, now_s=now_s)
    return breaker


def test_a_breaker_opens_at_the_fifth_failure_running_and_tells_so_once() -> None:
    breaker = Breaker()
    told = [breaker.leave(breaker.enter(), "bad", 0.0, 0.0) for _ in range(FAILURES_IN_A_ROW)]
    assert told == [False] * 4 + [True]
    assert breaker.wait_s(0.0) == 1.0


def test_a_success_begins_the_count_of_failures_anew() -> None:
    breaker = Breaker()
    say(breaker, *ONE_IN_THREE * 3)
    assert breaker.wait_s(0.0) == 0.0


def test_a_breaker_opens_where_half_of_the_last_calls_have_failed() -> None:
    breaker = Breaker()
    say(breaker, *IN_TURN * (WINDOW // 2 - 1))
    assert breaker.wait_s(0.0) == 0.0
    say(breaker, "bad")
    assert breaker.wait_s(0.0) > 0.0


@given(st.lists(st.sampled_from(["neither", "good"]), max_size=60))
def test_what_is_not_the_targets_fault_never_opens_its_breaker(healths: list[Health]) -> None:
    breaker = Breaker()
    say(breaker, *BAD * 4, *healths)
    assert breaker.wait_s(0.0) == 0.0


def test_one_call_probes_and_the_others_wait() -> None:
    breaker = opened()
    assert breaker.wait_s(0.9) == pytest.approx(0.1)
    assert breaker.wait_s(1.0) == 0.0
    breaker.enter()
    assert breaker.wait_s(1.0) > 0.0


def test_a_probe_that_comes_back_closes_and_one_that_says_nothing_lets_another_go() -> None:
    breaker = opened()
    say(breaker, "neither", now_s=1.0)
    assert breaker.wait_s(1.0) == 0.0
    say(breaker, "good", now_s=1.0)
    say(breaker, *BAD * 4, now_s=1.0)
    assert breaker.wait_s(1.0) == 0.0, "closed, and with nothing against it"


def test_each_failed_probe_doubles_the_time_up_to_half_a_minute() -> None:
    breaker, now_s, times = opened(), 0.0, list[float]()
    for _ in range(8):
        times.append(breaker.wait_s(now_s))
        now_s += times[-1]
        say(breaker, "bad", now_s=now_s)
    assert times == [1, 2, 4, 8, 16, 30, 30, 30]


@given(st.floats(0, 1), st.integers(0, 8))
def test_jitter_only_shortens_and_by_a_quarter_at_most(random: float, failed_probes: int) -> None:
    breaker, now_s = Breaker(), 0.0
    say(breaker, *BAD * FAILURES_IN_A_ROW, random=random)
    for _ in range(failed_probes):
        now_s += breaker.wait_s(now_s)
        say(breaker, "bad", now_s=now_s, random=random)
    longest = min(LONGEST_OPEN_S, 2.0**failed_probes)
    assert 0.75 * longest - 1e-6 <= breaker.wait_s(now_s) <= longest + 1e-6


def test_calls_that_were_sent_before_it_opened_say_nothing_any_more() -> None:
    breaker = Breaker()
    early = [breaker.enter() for _ in range(3)]
    say(breaker, *BAD * FAILURES_IN_A_ROW)
    for era, health in zip(early, ("good", "bad", "neither"), strict=True):
        assert not breaker.leave(era, health, 0.5, 0.0)
    assert breaker.wait_s(0.5) == 0.5
    probe = breaker.enter()
    breaker.leave(early[0], "good", 1.0, 0.0)
    assert breaker.wait_s(1.0) > 0.0, "the probe is still under way"
    breaker.leave(probe, "good", 1.0, 0.0)
    assert breaker.wait_s(1.0) == 0.0


# Latencies and pauses.


@given(st.lists(st.floats(0, 100), min_size=NEEDED, max_size=3 * REMEMBERED))
def test_nineteen_of_twenty_of_the_last_hundred_took_at_most_that_long(seconds: list[float]) -> None:
    latencies = Latencies()
    for one in seconds[: NEEDED - 1]:
        latencies.add(one)
    assert latencies.most_s() is None
    for one in seconds[NEEDED - 1 :]:
        latencies.add(one)
    most_s, last = latencies.most_s(), seconds[-REMEMBERED:]
    assert most_s in last
    assert sum(one <= most_s for one in last) >= 0.95 * len(last)
    assert sum(one < most_s for one in last) < 0.95 * len(last)


@given(st.integers(1, 50), st.floats(0, 60), st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_server_asks_for_nor_much_longer(
    failures: int, asked_for_s: float, random: float
) -> None:
    assert asked_for_s <= pause_s(failures, asked_for_s, random) <= asked_for_s + LONGEST_PAUSE_S
    cold_s = cold_pause_s(failures, asked_for_s, random)
    assert max(asked_for_s, 0.125) <= cold_s <= max(asked_for_s, LONGEST_PAUSE_S)


def test_pauses_double() -> None:
    assert [pause_s(n, 0.0, 1.0) for n in (1, 2, 3, 9)] == [0.1, 0.2, 0.4, 4.0]
    assert [cold_pause_s(n, 0.0, 1.0) for n in (1, 2, 3, 4, 5, 6)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]


# The order of targets.

ROUTE = parse_route(json.dumps(document(targets=[target(id=name) for name in "abcd"])))


@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 1000)), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_every_target_comes_once_and_lower_priorities_first(chances: list[tuple[int, int]], random: Random) -> None:
    targets = [
        replace(one, priority=priority, weight=weight)
        for one, (priority, weight) in zip(ROUTE.targets, chances, strict=True)
    ]
    ordered = in_order(targets, random.random)
    assert sorted(one.id for one in ordered) == list("abcd")
    assert [one.priority for one in ordered] == sorted(priority for priority, _ in chances)


def test_among_equals_each_is_first_as_often_as_its_weight_says() -> None:
    weights = {"a": 1, "b": 2, "c": 3, "d": 4}
    targets = [replace(one, weight=weights[one.id]) for one in ROUTE.targets]
    random = Random(7)
    first = Counter(in_order(targets, random.random)[0].id for _ in range(10_000))
    assert all(abs(first[name] - 1000 * weight) < 150 for name, weight in weights.items())


# What is remembered.


def test_a_changed_target_starts_afresh_and_the_same_one_does_not() -> None:
    states, one = TargetStates(), ROUTE.targets[0]
    state = states.of(ROUTE, one)
    assert states.of(ROUTE, replace(one, weight=5)) is state
    others = [
        states.of(ROUTE, replace(one, endpoint="https://other.test/v1")),
        states.of(replace(ROUTE, alias="other"), one),
        states.of(ROUTE, ROUTE.targets[1]),
    ]
    assert state not in others


def test_memory_is_bounded_and_what_is_in_use_is_never_forgotten() -> None:
    states, one = TargetStates(), ROUTE.targets[0]
    in_use = states.of(ROUTE, one)
    for number in range(2 * MOST_REMEMBERED):
        states.of(ROUTE, replace(one, endpoint=f"https://host-{number}.test"))
    assert states.of(ROUTE, one) is in_use
    assert len(states) <= MOST_REMEMBERED + 1
