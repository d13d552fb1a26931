"""Whatever happens at once, is a hit the answer of the request that wrote it, to the last bit, and of nobody else?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from embedge.core.request import Input, Tokens
from embedge.errors import RefusedByProvider, UpstreamError
from tests.embed.fickle import DIMENSIONS, Deed, Form, Setup, World, shown
from tests.upstreams.simulated import simulate

# Text and tokens, of which two are the same bytes.
INPUTS: tuple[Input, ...] = (
    *(text for text in ("a", "b", "abcd")),
    *(Tokens(ids) for ids in ((97,), (97, 98), (int.from_bytes(b"abcd", "little"),))),
)
FORMS = st.builds(Form, st.sampled_from(["base64", "float"]), st.sampled_from([1, 3, DIMENSIONS]))
Accident = Literal["none", "expiry", "corruption", "mix-up", "eviction", "cache down"]


@dataclass(frozen=True)
class Asked:
    """A request: after how long it comes, of whom, and how long it may take."""

    after_s: float
    tenant: str
    inputs: list[Input]
    form: Form
    seconds: float


ASKED = st.builds(
    Asked,
    st.sampled_from([0.0, 0.0, 0.05, 0.2, 1.0]),
    st.sampled_from("ab"),
    st.lists(st.sampled_from(INPUTS), min_size=1, max_size=6),
    FORMS,
    st.sampled_from([0.15, 1.2, 25.0]),
)
ACCIDENTS = st.sampled_from(["none", "expiry", "corruption", "mix-up", "eviction", "cache down"])
ROUNDS = st.lists(st.tuples(st.lists(ASKED, min_size=1, max_size=5), ACCIDENTS), min_size=1, max_size=4)
SETUPS = st.builds(
    Setup,
    st.sampled_from([0, 4000, 10**6]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 999),
    st.sampled_from(["always", "always", "economic", "second_sight"]),
    st.booleans(),
)
DEEDS: st.SearchStrategy[list[Deed]] = st.lists(
    st.sampled_from(["right", "right", "busy", "breaks off", "refuses"]), max_size=8
)


async def answered(world: World, asked: Asked) -> bool:
    """Ask, and hold the answer to what the model has given this tenant for each input; return whether one came."""
    await asyncio.sleep(asked.after_s)
    try:
        embedded = await world.ask(asked.inputs, asked.form, asked.tenant, asked.seconds)
    except (UpstreamError, RefusedByProvider):
        return False
    for one, seen in zip(asked.inputs, shown(embedded), strict=True):
        assert seen in [asked.form.of(vector) for vector in world.given(asked.tenant, one)]
    return True


def happens(world: World, accident: Accident) -> None:
    values = world.cache.values
    if world.cache.down or accident != "none":
        world.restart()  # or what is in memory hides for a while what became of the table
    world.cache.down = accident == "cache down"
    match accident:
        case "expiry":
            world.base.clock.pass_time(61)
        case "eviction":
            values.clear()
        case "corruption":
            for number, (key, (value, expires_s)) in enumerate(list(values.items())):
                broken = (value[:-4], b"\x07" + value[1:], b"", value[:8] + bytes(4) + value[12:])[number % 4]
                values[key] = broken, expires_s
        case "mix-up":
            turned = [*list(values.values())[1:], *list(values.values())[:1]] if len(values) > 1 else []
            values.update(zip(values, turned, strict=False))
        case _:
            pass


async def hits_equal_their_miss(world: World, tenant: str, inputs: list[Input]) -> None:
    """Ask for the same in every form: all of it comes from the call that brought it first."""
    whole = await world.ask(inputs, Form(), tenant)
    calls = world.server.calls
    for form in (Form(), Form("float"), Form("base64", 3), Form("float", 1)):
        again = await world.ask(list(reversed(inputs)), form, tenant)
        assert again.hits == len(inputs)
        assert shown(again) == [form.of(vector.floats().tobytes()) for vector in reversed(whole.vectors)]
        assert again.tokens == whole.tokens
        assert again.cost_nano_usd == 0
    assert world.server.calls == calls


@settings(deadline=None, max_examples=150)
@given(rounds=ROUNDS, setup=SETUPS, deeds=DEEDS)
def test_an_answer_is_what_the_model_gave_this_tenant_for_this_input_and_stays_it(
    rounds: list[tuple[list[Asked], Accident]], setup: Setup, deeds: list[Deed]
) -> None:
    async def run() -> None:
        world = World(setup)
        world.server.deeds = deeds
        for together, accident in rounds:
            came = await asyncio.gather(*(answered(world, asked) for asked in together))
            event(f"{sum(came)} of {len(came)} answered")
            world.server.deeds = []
            await asyncio.sleep(60)  # no breaker is open any more
            first = together[0]
            if not world.cache.down and setup.remembers():
                await hits_equal_their_miss(world, first.tenant, first.inputs)
            happens(world, accident)
        charged = await _charged(world)
        assert sum(seen.cost_nano_usd for seen in world.observations) == charged

    simulate(run())


async def _charged(world: World) -> int:
    await world.base.ledger.close()
    return sum(item["dl"] - item["da"] for (_, sk), item in world.base.table.items.items() if sk == "B")
