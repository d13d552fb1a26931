"""What becomes of the route that a deployment brings, whoever has written to Control meanwhile?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from embedge.core.route_document import RouteDocument, parse_route
from embedge.deployed_route import deployed, exchange
from embedge.errors import EmbedgeError, InvalidValue
from embedge.verification import ROUTES
from tests.core.samples import document
from tests.fakes import FakeControlTable

KEY = (ROUTES, "small")


def route(**changes: Any) -> RouteDocument:
    return deployed(json.dumps(document(**changes)))


OURS, NEWER, OPERATOR_S = route(), route(max_input_tokens=512), route(max_input_tokens=1024)


async def test_a_deployment_writes_its_route_and_it_serves() -> None:
    control = FakeControlTable()
    assert await exchange(control, None, OURS)
    assert parse_route(control.documents[KEY]) == OURS.route


async def test_an_update_replaces_what_the_deployment_wrote_and_a_deletion_takes_it_away() -> None:
    control = FakeControlTable()
    await exchange(control, None, OURS)
    assert await exchange(control, OURS, NEWER)
    assert parse_route(control.documents[KEY]) == NEWER.route
    assert await exchange(control, NEWER, None)
    assert not control.documents


async def test_what_is_asked_twice_is_done_once() -> None:
    control = FakeControlTable()
    for before, after in ((None, OURS), (None, OURS), (OURS, NEWER), (OURS, NEWER), (NEWER, None), (NEWER, None)):
        assert await exchange(control, before, after)
    assert not control.documents


@pytest.mark.parametrize(("before", "after"), [(None, OURS), (OURS, NEWER), (OURS, None)])
async def test_what_an_operator_wrote_stays(before: RouteDocument | None, after: RouteDocument | None) -> None:
    control = FakeControlTable({KEY: OPERATOR_S.noting(None)})
    assert not await exchange(control, before, after)
    assert control.documents == {KEY: OPERATOR_S.noting(None)}


async def test_what_an_operator_took_away_stays_away() -> None:
    control = FakeControlTable()
    assert not await exchange(control, OURS, NEWER)
    assert not control.documents


async def test_how_a_document_is_written_makes_no_difference() -> None:
    control = FakeControlTable({KEY: json.dumps(document(), indent=2)})
    assert await exchange(control, OURS, NEWER)


async def test_no_name_leads_to_two_routes() -> None:
    other = json.dumps(document(alias="other", names=["small"]))
    control = FakeControlTable({(ROUTES, "other"): other})
    with pytest.raises(InvalidValue):
        await exchange(control, None, OURS)
    assert control.documents == {(ROUTES, "other"): other}


async def test_what_cannot_be_done_is_an_error() -> None:
    control = FakeControlTable()
    control.down = True
    with pytest.raises(EmbedgeError):
        await exchange(control, None, OURS)
    with pytest.raises(EmbedgeError):
        await exchange(FakeControlTable(), None, None)
    with pytest.raises(InvalidValue, match="max_input_tokens"):
        deployed(json.dumps(document(max_input_tokens=0)))
