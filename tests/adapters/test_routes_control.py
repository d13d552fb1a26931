"""Do names lead where operators last said, soon after they said it, and for a day when nobody can be asked?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.adapters.routes_control import ControlRoutes
from embedge.errors import ServiceUnavailable
from tests.adapters.slowly import SlowControlTable, turns
from tests.fakes import FakeClock, FakeControlTable

DAY_S = 86_400


def document(alias: str, /, **changes: Any) -> str:
    target = {
        "id": "one",
        "provider": "openai",
        "transport": "https",
        "endpoint": "https://provider.test/v1",
        "price_usd_per_million_tokens": "0.02",
    }
    space = {"model": f"{alias}-model", "revision": "1", "dimensions": 8}
    route = {"alias": alias, "space": space, "max_input_tokens": 10, "targets": [target], **changes}
    return json.dumps({name: value for name, value in route.items() if value is not ...})


class Asked:
    """Routes, over a Control table that takes a moment; `small` is there."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.control = FakeControlTable({("ROUTES", "small"): document("small"), ("KEYS", "k"): "{}"})
        self.slowly = SlowControlTable(self.control)
        self.faults: list[str] = []
        self.routes = ControlRoutes(self.slowly, self.clock, self.faults.append)

    def write(self, alias: str, text: str) -> None:
        self.control.documents["ROUTES", alias] = text

    async def names(self) -> set[str]:
        return set(await self.routes.current())


async def test_a_route_is_found_by_every_name_that_it_answers_to() -> None:
    asked = Asked()
    asked.write("large", document("large", names=["big"]))
    assert await asked.names() == {"small", "small-model", "large", "large-model", "big"}


async def test_what_is_written_is_known_within_fifteen_seconds_and_not_asked_for_sooner() -> None:
    asked = Asked()
    await asked.names()
    asked.write("large", document("large"))
    del asked.control.documents["ROUTES", "small"]
    asked.clock.pass_time(15)
    assert await asked.names() == {"small", "small-model"}
    assert asked.control.calls == 1
    asked.clock.pass_time(0.1)
    assert await asked.names() == {"large", "large-model"}
    assert asked.control.calls == 2


async def test_freshness_counts_from_when_the_routes_were_asked_for() -> None:
    asked = Asked()
    asked.slowly.meanwhile = lambda: asked.clock.pass_time(10)
    await asked.names()
    asked.slowly.meanwhile = lambda: None
    asked.write("large", document("large"))
    asked.clock.pass_time(5.1)
    assert "large" in await asked.names()


async def test_many_who_ask_at_once_are_one_question() -> None:
    asked = Asked()
    for calls in (1, 2):
        found = await asyncio.gather(*(asked.names() for _ in range(50)))
        assert all("small" in names for names in found)
        assert asked.control.calls == calls
        asked.clock.pass_time(16)


async def test_who_gives_up_waiting_does_not_take_the_answer_from_the_others() -> None:
    asked = Asked()
    first, *others = (asyncio.create_task(asked.names()) for _ in range(5))
    await turns(1)
    first.cancel()
    assert all("small" in names for names in await asyncio.gather(*others))


async def test_the_last_good_routes_serve_for_a_day_and_no_longer() -> None:
    asked = Asked()
    await asked.names()
    asked.control.down = True
    for _ in range(4):
        asked.clock.pass_time(DAY_S / 4)
        assert "small" in await asked.names()
    assert asked.faults == ["routes_stale"] * 4
    asked.clock.pass_time(16)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            await asked.names()
    asked.control.down = False
    assert "small" in await asked.names()


async def test_a_table_that_is_down_is_asked_every_fifteen_seconds_and_no_more() -> None:
    asked = Asked()
    await asked.names()
    asked.control.down = True
    asked.clock.pass_time(16)
    for _ in range(10):
        await asyncio.gather(*(asked.names() for _ in range(10)))
        asked.clock.pass_time(1)
    assert asked.control.calls == 2
    assert asked.faults == ["routes_stale"]


async def test_many_who_ask_for_what_was_never_known_fail_together_and_ask_once() -> None:
    asked = Asked()
    asked.control.down = True
    failed = await asyncio.gather(*(asked.names() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(error, ServiceUnavailable) for error in failed)
    assert asked.control.calls == 1


async def test_no_routes_are_no_routes_and_no_fault() -> None:
    asked = Asked()
    del asked.control.documents["ROUTES", "small"]
    assert await asked.names() == set()
    assert asked.faults == []


BROKEN = [
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "{}",
    "[" * 5000,
    '{"alias":' * 1000,
    '{"alias": "\\ud800"}',
    document("x", targets=[]),
    document("x", targets=None),
    document("x", space=...),
    document("x", alias=1),
    document("x", alias="two words"),
    document("x", unheard=1),
    document("x", max_input_tokens=0),
    document("x", max_input_tokens=float("nan")),
    document("x", max_input_tokens="ten"),
    document("x", ttl_s=1e400),
    document("x", created_s=-1),
    document("x", names=[["y"]]),
    document("x").replace('"0.02"', '"NaN"'),
    document("x").replace('"0.02"', '"Infinity"'),
    document("x").replace('"0.02"', '"-1"'),
    document("x").replace('"0.02"', '"1e999999999"'),
    document("x").replace('"0.02"', "null"),
    document("x").replace('"openai"', '"unheard"'),
    document("x").replace('"id": "one"', '"id": "one", "read_timeout_s": NaN'),
    document("x").replace('"id": "one"', '"id": "one", "secret": "plain"'),
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
async def test_a_document_that_is_no_route_hides_itself_alone_and_is_a_fault(text: str) -> None:
    asked = Asked()
    asked.write("a-broken-one", text)
    asked.write("z-broken-one", text)
    assert await asked.names() == {"small", "small-model"}
    assert asked.faults == ["route_unreadable"] * 2


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=9,
    ),
    st.sampled_from(["alias", "names", "space", "targets", "tokenizer", "max_input_tokens", "ttl_s", "owned_by"]),
)
def test_whatever_is_in_one_document_the_others_are_served(value: object, field: str) -> None:
    async def run() -> None:
        asked = Asked()
        asked.write("other", json.dumps(value))
        asked.write("another", document("another", **{field: value}))
        assert "small" in await asked.names()

    asyncio.run(run())


async def test_a_route_that_becomes_broken_is_gone_and_back_when_it_is_mended() -> None:
    asked = Asked()
    for text, served in (("{", False), (document("small"), True)):
        asked.write("small", text)
        asked.clock.pass_time(16)
        assert ("small" in await asked.names()) is served


async def test_what_has_not_changed_is_not_parsed_again_and_what_is_broken_stays_a_fault() -> None:
    asked = Asked()
    asked.write("changed", document("changed"))
    asked.write("broken", "{")
    first = await asked.routes.current()
    asked.write("changed", document("changed", ttl_s=60))
    asked.clock.pass_time(16)
    second = await asked.routes.current()
    assert second["small"] is first["small"]
    assert second["changed"].ttl_s == 60 != first["changed"].ttl_s
    assert asked.faults == ["route_unreadable"] * 2


async def test_a_target_that_is_taken_out_of_service_serves_no_more_as_soon_as_that_is_known() -> None:
    asked = Asked()
    targets = [{**json.loads(document("x"))["targets"][0], "id": name} for name in ("a", "b")]
    asked.write("small", document("small", targets=targets))
    assert [target.id for target in (await asked.routes.current())["small"].targets] == ["a", "b"]
    asked.write("small", document("small", targets=[{**targets[0], "disabled": "it drifted"}, targets[1]]))
    asked.clock.pass_time(16)
    assert [target.id for target in (await asked.routes.current())["small"].targets] == ["b"]
