"""Do tiers, several rates at once, and units that are taken ahead keep to what each may have, in any order?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from embedge.core.allowance import of_no_model, rates_of, tiers_of, within, worse
from embedge.core.conditional_update import evaluate
from embedge.core.gcra import MINUTE_US, Rate, Rates, Tier, Want
from embedge.core.leased_units import LIFE_US, LeasedUnits
from embedge.core.request import NO_LIMIT, Limits, ModelRate, Principal, ServiceTier
from tests.core.samples import route

if TYPE_CHECKING:
    from embedge.core.conditional_update import Item

ROUTE = route(alias="text-embedding-3-small")
_NOW_US = 1_800_000_000_000_000
_ASKS: st.SearchStrategy[ServiceTier | None] = st.sampled_from([None, "auto", "default", "flex"])
# Those whose increments are whole microseconds, so that a minute's worth may really come at once.
_EVEN_RATES = st.sampled_from([10, 20, 50, 100])
_TIMES = st.integers(0, 3 * MINUTE_US)


@dataclass(slots=True)
class Asker:
    """One process that wants units in some tier: what it last saw, and how it fared."""

    units: int
    now_us: int
    tiers: tuple[Tier, ...]
    ahead_us: int = 0
    seen: Item | None = None
    updates: int = 0
    verdict: Tier | None = None
    done: bool = False

    def want(self) -> Want:
        return Want(self.units, self.now_us, ahead_us=self.ahead_us)

    def send(self, rates: Rates, item: Item | None) -> Item | None:
        tier = rates.tier(self.seen, self.want(), self.tiers) or self.tiers[0]
        self.updates += 1
        after = evaluate(rates.step(self.seen, replace(self.want(), tier=tier)), item)
        if after is not None:
            self.verdict, self.done = tier, True
            return after
        self.seen = item
        self.done = rates.tier(item, self.want(), self.tiers) is None
        return item


@dataclass(slots=True)
class Gate:
    """Rates, and whoever was let through."""

    rates: Rates
    item: Item | None = None
    passed: list[Asker] = field(default_factory=list[Asker])

    def let(self, asker: Asker) -> bool:
        while not asker.done:
            self.item = asker.send(self.rates, self.item)
        if asker.verdict:
            self.passed.append(asker)
        return asker.verdict is not None


def arrival(item: Item | None, name: str) -> int:
    return 0 if item is None else item.get(name, 0)


def most_beyond(uses: list[tuple[int, int]], per_minute: int) -> float:
    """Return the most that came in any window beyond what its time adds."""
    worst = excess = 0.0
    last_us = 0
    for now_us, units in sorted(uses):
        excess = max(0.0, excess - (now_us - last_us) * per_minute / MINUTE_US) + units
        worst, last_us = max(worst, excess), now_us
    return worst


def test_who_is_always_a_little_too_late_gets_the_second_tier_with_the_last_update() -> None:
    rates, item = Rates((Rate("requests", 60, 100),)), None
    late = Asker(1, _NOW_US, ("default", "over-limit"))
    faster: list[tuple[int, tuple[Tier, ...]]] = [(1, ("flex",)), (1, ("default",)), (59, ("default",))]
    for units, tiers in faster:
        other = Asker(units, _NOW_US, tiers, seen=item)
        item = other.send(rates, item)
        assert other.verdict == tiers[0]
        item = late.send(rates, item)
        assert not late.done
    late.send(rates, item)
    assert (late.verdict, late.updates) == ("over-limit", rates.most_updates())


@given(
    st.data(),
    st.integers(1, 300),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(1, 60), _TIMES, _ASKS), max_size=14),
)
def test_in_any_order_no_tier_has_more_than_its_own_and_each_is_decided_in_few_updates(
    data: st.DataObject, per_minute: int, over: int, asked: list[tuple[int, int, ServiceTier | None]]
) -> None:
    rates = Rates((Rate("requests", per_minute, over),))
    limits = Limits(per_minute, 1, 1, 1, 1, over_limit_percent=over)
    askers = [Asker(units, _NOW_US + at_us, tiers_of(limits, asks)) for units, at_us, asks in asked]
    item: Item | None = None
    while waiting := [asker for asker in askers if not asker.done]:
        before, item = item, data.draw(st.sampled_from(waiting)).send(rates, item)
        assert all(arrival(item, name) >= arrival(before, name) for name in "gc")
    assert all(asker.updates <= rates.most_updates() for asker in askers)
    guaranteed = [(one.now_us, one.units) for one in askers if one.verdict == "default"]
    beyond = [(one.now_us, one.units) for one in askers if one.verdict in {"over-limit", "flex"}]
    flex = [(one.now_us, one.units) for one in askers if one.verdict == "flex"]
    ceiling = per_minute * (100 + over) / 100
    assert most_beyond(guaranteed, per_minute) <= per_minute + 1e-3
    assert most_beyond(beyond, round(ceiling)) <= ceiling + 1
    assert most_beyond(flex, round(ceiling)) <= ceiling / 2 + 1
    if not over:
        assert not [one for one in askers if one.verdict == "over-limit"]


@given(_EVEN_RATES, st.sampled_from([20, 50, 100]))
def test_what_is_over_the_limit_takes_nothing_of_what_is_guaranteed(per_minute: int, over: int) -> None:
    gate = Gate(Rates((Rate("requests", per_minute, over),)))
    while gate.let(Asker(1, _NOW_US, ("default", "over-limit"))):
        pass
    tiers = [asker.verdict for asker in gate.passed]
    assert tiers.count("default") == per_minute
    assert tiers.count("over-limit") == per_minute * over // 100
    assert tiers == ["default"] * per_minute + ["over-limit"] * (len(tiers) - per_minute)


@given(_EVEN_RATES, st.sampled_from([0, 20, 50, 100]))
def test_flex_takes_half_of_all_the_room_at_most_and_nothing_of_what_is_guaranteed(per_minute: int, over: int) -> None:
    gate = Gate(Rates((Rate("requests", per_minute, over),)))
    while gate.let(Asker(1, _NOW_US, ("flex",))):
        pass
    assert len(gate.passed) == per_minute * (100 + over) // 200
    assert gate.rates.state(gate.item, _NOW_US).remaining == per_minute
    while gate.let(Asker(1, _NOW_US, ("default",))):
        pass
    assert [asker.verdict for asker in gate.passed].count("default") == per_minute
    assert not gate.let(Asker(1, _NOW_US, ("flex",)))


@given(st.integers(1, 50), st.integers(1, 50), st.lists(st.integers(0, MINUTE_US), max_size=60))
def test_of_several_rates_all_are_kept_or_none_is_taken_from(own: int, model: int, times: list[int]) -> None:
    gate = Gate(Rates((Rate("requests", own), Rate("requests", model, suffix="_m"))))
    for at_us in sorted(times):
        before = gate.item
        assert gate.let(Asker(1, _NOW_US + at_us, ("default",))) or gate.item == before
    uses = [(one.now_us, one.units) for one in gate.passed]
    assert most_beyond(uses, own) <= own + 1e-3
    assert most_beyond(uses, model) <= model + 1e-3
    state = gate.rates.state(gate.item, _NOW_US + MINUTE_US)
    assert state.limit in {own, model}


@given(
    st.integers(300, 3_000),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4_000_000), st.integers(1, 9)), max_size=120),
)
def test_whenever_units_that_were_taken_ahead_are_used_no_window_has_more_than_its_rate(
    per_minute: int, asked: list[tuple[int, int, int]]
) -> None:
    """Three processes; each takes as many ahead as are allowed, uses them late, or not at all."""
    gate, now_us = Gate(Rates((Rate("tokens", per_minute),))), _NOW_US
    processes = [LeasedUnits() for _ in range(3)]
    uses: list[tuple[int, int]] = []
    for who, passed_us, units in asked:
        now_us += passed_us
        missing = units - processes[who].use(units, now_us)
        more = per_minute // 3
        if missing and gate.let(Asker(missing + more, now_us, ("default",), LIFE_US)):
            processes[who].took(more, now_us)
        elif missing and not gate.let(Asker(missing, now_us, ("default",))):
            processes[who].put_back(units - missing)
            continue
        uses.append((now_us, units))
    assert most_beyond(uses, per_minute) <= per_minute + 1e-2


def test_only_who_is_busy_takes_ahead_and_what_is_not_used_in_time_is_gone() -> None:
    units = LeasedUnits()
    for number in range(15):
        assert units.use(10, _NOW_US + number) == 0
        assert units.ahead(40_000) == 0
    assert units.use(10, _NOW_US + 15) == 0
    assert units.ahead(40_000) == 160
    assert units.ahead(1_280) == 10
    units.took(160, _NOW_US + 16)
    assert units.use(100, _NOW_US + 17) == 100
    assert units.use(100, _NOW_US + 18) == 60
    units.took(160, _NOW_US + 20)
    assert units.use(100, _NOW_US + 20 + LIFE_US) == 0
    units.took(160, _NOW_US + 3 * LIFE_US)
    assert units.use(100, _NOW_US) == 0  # the clock was put back: nobody knows how old they are


def test_where_a_process_used_hardly_any_of_a_rate_of_thousands_a_second_request_takes_ahead() -> None:
    units = LeasedUnits()
    units.use(10, _NOW_US)
    assert units.ahead(10**9) == 0
    units.use(10, _NOW_US + 1)
    assert units.ahead(1 << 22) == 20
    assert units.ahead((1 << 22) - 1) == 0  # who has fewer processes is told of each request what is left
    units.use(1980, _NOW_US + 2)
    assert units.ahead(2000 * 4096) == 2000
    assert units.ahead(2000 * 4096 - 1) == 0


def test_where_nothing_is_limited_there_is_no_rate_to_write_down() -> None:
    free = Principal("acme", frozenset(), (), Limits(NO_LIMIT, 100, 1, 1, 1))
    assert not rates_of(free, "requests").rates
    assert [rate.per_minute for rate in rates_of(free, "tokens").rates] == [100]
    # What is taken ahead is the tenant's own rate's, so it stays beside those of models.
    one_model = replace(free, limits=replace(free.limits, models=(ModelRate("text-*", 5, None),)))
    assert [rate.per_minute for rate in rates_of(one_model, "requests").rates] == [NO_LIMIT, 5]


def test_a_call_that_names_no_model_takes_nothing_of_the_rates_of_models() -> None:
    limits = Limits(10, 100, 1, 1, 1, models=(ModelRate("*", 5, 50),))
    who = of_no_model(Principal("acme", frozenset(), (), limits))
    assert [rate.per_minute for rate in rates_of(who, "requests").rates] == [10]
    assert [rate.per_minute for rate in rates_of(who, "tokens").rates] == [100]


def test_rates_of_models_bind_those_models_only_and_exempt_is_bound_by_none() -> None:
    models = (ModelRate("text-*", 5, None), ModelRate("other", 1, 1), ModelRate(ROUTE.alias, None, 7))
    who = Principal("acme", frozenset(), (), Limits(10, 100, 1, 1, 1, models=models))
    bound = within(who, ROUTE)
    assert [rate.per_minute for rate in rates_of(bound, "requests").rates] == [10, 5]
    assert [rate.per_minute for rate in rates_of(bound, "tokens").rates] == [100, 7]
    assert len({rate.suffix for kind in (rates_of(who, "requests"),) for rate in kind.rates}) == 3
    assert not rates_of(replace(bound, exempt=True), "requests").rates


def test_a_request_of_which_a_part_is_beyond_its_rate_is() -> None:
    assert worse("default", "default") == "default"
    assert worse("over-limit", "default") == worse("default", "over-limit") == "over-limit"
    assert worse("flex", "flex") == "flex"
