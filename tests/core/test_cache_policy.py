"""Does each policy keep what it says, does the economic one learn, and does the fuse stop what does not pay?"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.admission_economics import DYNAMODB_ON_DEMAND, NO_CHARGE, StorePrices, is_explored, is_probed, stakes
from embedge.core.cache_fuse import CacheFuse
from embedge.core.cache_outlook import Terms
from embedge.core.cache_policy import CachePolicy
from embedge.core.cache_replay import Asked, Outcome, replay
from embedge.core.sightings import MOST_COUNTED, Seen, Sightings
from embedge.core.vector_codec import StoredVector, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedge.core.route import Admit

DAY_S = 86_400
TERMS = Terms("economic", 20_000_000, 1536, "f32", 30 * DAY_S)
ADMITS: tuple[Admit, ...] = ("always", "economic", "second_sight", "never")


def key(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def asked(names: Iterable[object], tokens: int = 100, every_s: float = 0.01) -> list[Asked]:
    return [Asked(at * every_s, "acme", key(name), tokens, 4 * tokens) for at, name in enumerate(names)]


def played(requests: list[Asked], admit: Admit, prices: StorePrices = DYNAMODB_ON_DEMAND, **terms: int) -> Outcome:
    return replay(requests, replace(TERMS, admit=admit, **terms), prices)


class Bench:
    """A policy, its time, and one input asked for at a time."""

    def __init__(self, terms: Terms, prices: StorePrices = DYNAMODB_ON_DEMAND) -> None:
        self.now = 0.0
        self.faults: list[str] = []
        self.terms = terms
        self.policy = CachePolicy(prices, lambda: self.now, self.faults.append)

    def keeps(self, name: object, tokens: int = 100) -> bool:
        """Miss an input; tell whether it is to be kept."""
        weighing = self.policy.weigh_inputs({key(name): 4 * tokens}, self.terms, ("acme", "small"))
        weighing.found({})
        return bool(weighing.worth_keeping({key(name): entry(name, tokens)}))


def entry(name: object, tokens: int = 100) -> StoredVector:
    vector = np.full(1536, 1536**-0.5, np.float32)
    return encode(key(name), vector, tokens, estimated=False)


def test_always_keeps_all_and_never_neither_keeps_nor_looks() -> None:
    always, never = (played(asked([1, 1, 2, 1]), admit) for admit in ("always", "never"))
    assert (always.lookups, always.hits, always.writes) == (4, 2, 2)
    assert (never.lookups, never.hits, never.writes, never.cache_nano_usd) == (0, 0, 0, 0)


def test_second_sight_keeps_what_comes_a_second_time_within_its_time_to_live() -> None:
    bench = Bench(replace(TERMS, admit="second_sight", ttl_s=DAY_S))
    assert [bench.keeps(1), bench.keeps(2), bench.keeps(1)] == [False, False, True]
    bench.now += DAY_S + 60
    assert not bench.keeps(2)


@given(st.lists(st.integers(0, 5), max_size=60), st.sampled_from(ADMITS))
def test_every_hit_is_an_input_that_the_model_was_not_paid_for(names: list[int], admit: Admit) -> None:
    outcome = played(asked(names), admit)
    assert outcome.model_nano_usd == (len(names) - outcome.hits) * 2_000


def test_a_new_routes_long_inputs_are_kept_at_once_and_its_short_ones_are_not() -> None:
    bench = Bench(TERMS)
    dear = [number for number in range(50) if not explored(number, 2000)]
    cheap = [number for number in range(50, 100) if not explored(number, 10)]
    assert bench.keeps(dear[0], 2000)
    assert not any(bench.keeps(number, 10) for number in cheap[:5])


def explored(name: object, tokens: int) -> bool:
    return is_explored(key(name), stakes(tokens * 20, 6_197, 30 * DAY_S, DYNAMODB_ON_DEMAND))


def test_where_nothing_comes_again_economic_stops_keeping_and_looking() -> None:
    bench = Bench(TERMS)
    for number in range(2_000):
        bench.keeps(number, 200)
    late = [number for number in range(2_000, 4_000) if not explored(number, 200)]
    assert len(late) > 1_900
    assert not any(bench.keeps(number, 200) for number in late)
    sizes = {key(("never", number)): 40 for number in range(2_000)}
    looked_up = bench.policy.weigh_inputs(sizes, TERMS, ("acme", "small")).keys
    assert {one for one in sizes if is_probed(one)} <= set(looked_up)
    assert len(looked_up) < len(sizes) / 20


def test_where_most_come_again_economic_keeps_at_first_sight() -> None:
    bench = Bench(TERMS)
    for number in range(600):
        for _ in range(4):
            bench.keeps(number, 400)
    assert all(bench.keeps(number, 400) for number in range(1_000, 1_050))


@pytest.mark.parametrize("tokens", [5, 50, 500, 5_000])
@pytest.mark.parametrize("repeats", [1, 2, 5, 40])
def test_economic_never_costs_twice_the_better_of_always_and_never(tokens: int, repeats: int) -> None:
    names = np.random.default_rng(tokens + repeats).integers(0, 4_000 // repeats, 4_000)
    always, never, economic = (
        played(asked(names, tokens), admit).net_nano_usd() for admit in ("always", "never", "economic")
    )
    assert economic <= 2 * min(always, never)


def test_what_others_have_written_is_found_by_a_process_that_has_seen_nothing() -> None:
    weighing = Bench(TERMS).policy.weigh_inputs({key(n): 400 for n in range(50)}, TERMS, ("acme", "small"))
    assert len(weighing.keys) == 50


def test_what_this_process_has_written_is_looked_up_however_little_is_found_elsewhere() -> None:
    bench = Bench(TERMS)
    assert bench.keeps("kept", 2000)
    for number in range(3_000):
        bench.keeps(number, 10)
    assert bench.policy.weigh_inputs({key("kept"): 8000}, TERMS, ("acme", "small")).keys == (key("kept"),)


def test_what_one_tenant_repeats_says_nothing_of_another() -> None:
    bench = Bench(TERMS)
    for number in range(600):
        for _ in range(4):
            bench.keeps(number, 200)
    assert bench.keeps("new", 200)
    strange = bench.policy.weigh_inputs({key("x"): 800}, TERMS, ("umbrella", "small"))
    assert not strange.worth_keeping({key("x"): entry("x", 200)})


def test_where_keeping_costs_nothing_economic_keeps_all() -> None:
    names = np.random.default_rng(1).integers(0, 300, 1_000)
    assert played(asked(names), "economic", NO_CHARGE) == played(asked(names), "always", NO_CHARGE)


def test_a_cache_that_costs_more_than_it_saves_blows_the_fuse_and_is_told_of_once() -> None:
    bench = Bench(replace(TERMS, admit="second_sight"))
    for _ in range(2):  # nothing that is kept is ever found: the table loses it
        for number in range(8_000):
            bench.keeps(number, 10)
    assert bench.faults == ["cache_fuse_blown"]
    bench.keeps("one", 10)
    assert not bench.keeps("one", 10)
    bench.now += 5 * DAY_S
    bench.keeps("two", 10)
    bench.keeps("two", 10)
    assert bench.keeps("two", 10)


def test_the_fuse_forgets_two_thirds_in_a_day_and_holds_what_is_saved_against_what_is_spent() -> None:
    fuse = CacheFuse()
    assert not fuse.add(500_000_000, 490_000_000, 0, 0.0)
    assert fuse.add(100_000_000, 0, 0, 1.0)
    assert fuse.is_blown()
    assert not fuse.add(0, 0, 0, 86_400.0)
    assert fuse.is_blown()
    assert not fuse.add(0, 0, 0, 3 * 86_400.0)
    assert not fuse.is_blown()


def test_what_a_request_spends_is_its_lookups_and_its_writes() -> None:
    bench = Bench(replace(TERMS, admit="always"))
    weighing = bench.policy.weigh_inputs(dict.fromkeys(map(key, (1, 2, 3)), 400), bench.terms, ("acme", "small"))
    weighing.found({key(1): entry(1)})
    assert weighing.spent_nano_usd() == 250  # one unit for the hit, half of one for each miss
    weighing.worth_keeping({key(2): entry(2)})
    assert weighing.spent_nano_usd() == 250 + 4_375 + 1_585


@given(st.dictionaries(st.integers(0, 3_000), st.integers(1, MOST_COUNTED), max_size=50))
def test_a_sighting_is_remembered_until_it_expires_or_another_takes_its_place(counts: dict[int, int]) -> None:
    table = Sightings(places=1 << 16)
    for name, count in counts.items():
        table.note(key(name), Seen(count, written=count % 2 == 0), 600.0)
    remembered = [table.of(key(name), 599.0) == Seen(count, written=count % 2 == 0) for name, count in counts.items()]
    assert sum(remembered) >= len(counts) - 3  # of fifty in 65,536 places
    assert all(table.of(key(name), 600.0) == Seen(0, written=False) for name in counts)
    assert table.of(key("never seen"), 0.0) == Seen(0, written=False)
