"""Is a call that is too large for a server cut until it fits, and one bad input left alone with the blame?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.errors import CallTooLarge
from embedge.upstreams.halving import MOST_HALVINGS
from tests.upstreams.simulated import simulate, simulated
from tests.upstreams.world import Setup, World


@settings(deadline=None, max_examples=40)
@given(inputs=st.integers(1, MOST_HALVINGS + 1), most=st.integers(1, 70))
def test_a_server_that_takes_fewer_inputs_than_its_route_says_serves_all(inputs: int, most: int) -> None:
    async def run() -> None:
        world = World(Setup(inputs_a_call=2048))
        world.servers.most_inputs = most
        texts = [f"text {number}" for number in range(inputs)]
        await world.ask(texts)
        assert await world.charged_nano_usd() == world.servers.billed_nano_usd
        taken = [text for entry in world.servers.sent if entry.end == "right" for text in entry.texts]
        assert sorted(taken) == sorted(texts)

    simulate(run())


@settings(deadline=None, max_examples=40)
@given(inputs=st.integers(1, 64), long=st.integers(0, 63))
def test_one_input_that_is_too_long_fails_by_its_name_and_what_else_came_is_kept(inputs: int, long: int) -> None:
    async def run() -> None:
        world = World(Setup(inputs_a_call=2048, concurrency=64))
        world.servers.most_bytes = 30
        texts = [f"text {number}" for number in range(inputs)]
        texts[long % inputs] = "a text of more than thirty bytes"
        error = await world.outcome(["known", *texts, texts[0]])
        assert isinstance(error, CallTooLarge)
        assert error.param == f"input[{long % inputs + 1}]"
        assert await world.charged_nano_usd() == world.servers.billed_nano_usd
        assert len(world.servers.sent) <= 2 * 7 + 1, "down to one input, and no further"
        served = {text for entry in world.servers.sent if entry.end == "right" for text in entry.texts}
        assert len(served) == inputs, "all but the one that is too long"
        assert (await world.world.ask(sorted(served))).misses == 0

    simulate(run())


@simulated
async def test_halving_ends_where_a_server_takes_nothing() -> None:
    world = World(Setup(inputs_a_call=2048))
    world.servers.most_inputs = 0
    error = await world.outcome([f"text {number}" for number in range(2048)])
    assert isinstance(error, CallTooLarge)
    assert len(world.servers.sent) <= 2 * MOST_HALVINGS + 1


@simulated
async def test_a_call_may_be_halved_sixty_four_times_and_no_more() -> None:
    world = World(Setup(inputs_a_call=2048, concurrency=1))
    world.servers.most_inputs = 32
    await world.ask([f"text {number}" for number in range(2048)])
    assert len(world.servers.sent) == 64 + 63
    world.servers.most_inputs = 16
    error = await world.outcome([f"other {number}" for number in range(2048)])
    assert isinstance(error, CallTooLarge)
    assert error.param == "input"


@simulated
async def test_halves_are_calls_of_their_own_and_use_up_no_permissions() -> None:
    world = World(Setup(inputs_a_call=2048))
    world.servers.most_inputs = 1
    for number in range(5):
        await world.ask([f"{number} {letter}" for letter in "abcdefgh"])
    world.servers.will("a", "busy", "busy")
    await world.ask(["text"])
