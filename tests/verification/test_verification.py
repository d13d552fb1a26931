"""Does a comparison keep what it found, take out only who drifts, and never write over somebody else's route?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from typing_extensions import override

from embedge.core.route_document import RouteDocument, read_route
from embedge.core.space_check import fingerprint, needs_check
from embedge.errors import InvalidValue, ServiceUnavailable
from embedge.verification import Verification
from tests.core.samples import document, target
from tests.fakes import FakeClock, FakeControlTable, FakeProbing

TWO = [target(id="a"), target(id="b", endpoint="https://b.test/v1")]
THREE = [*TWO, target(id="c", endpoint="https://c.test/v1")]


class Kept:
    """Routes in Control, and what their targets answer."""

    def __init__(self, control: FakeControlTable | None = None) -> None:
        self.control = control or FakeControlTable()
        self.probing = FakeProbing()
        self.verification = Verification(self.control, self.probing, FakeClock())

    def write(self, alias: str, **changes: Any) -> str:
        text = json.dumps(document(alias=alias, **changes))
        self.control.documents["ROUTES", alias] = text
        return text

    def read(self, alias: str) -> RouteDocument:
        read = read_route(self.control.documents["ROUTES", alias])
        assert isinstance(read, RouteDocument)
        return read


async def test_what_was_seen_to_be_one_space_is_kept_once_with_the_time() -> None:
    kept = Kept()
    seen = kept.write("small", targets=TWO)
    assert (await kept.verification.check("small", seen, take_out=False)).is_good()
    verified = kept.read("small").route.verified
    assert verified
    assert (verified.at, verified.forced) == ("2027-01-15T08:00:00Z", False)
    text = kept.control.documents["ROUTES", "small"]
    await kept.verification.check("small", text, take_out=True)
    assert kept.control.documents["ROUTES", "small"] == text


async def test_who_drifts_is_named_and_taken_out_only_where_that_is_asked_for() -> None:
    kept = Kept()
    seen = kept.write("small", targets=TWO)
    kept.probing.problems["b"] = "x" * 1000
    for take_out, out in ((False, ()), (True, ("b",))):
        watched = await kept.verification.check("small", seen, take_out=take_out)
        assert (watched.is_good(), watched.taken_out) == (False, out)
        assert set(kept.read("small").taken_out) == set(out)
    assert "2027-01-15" in kept.read("small").taken_out["b"]


async def test_a_target_that_is_put_back_is_believed_only_after_another_comparison() -> None:
    kept = Kept()
    known = fingerprint(kept_route(TWO))
    seen = kept.write("small", targets=TWO, verified={"fingerprint": known, "at": "then"})
    kept.probing.problems["b"] = "drifts"
    await kept.verification.check("small", seen, take_out=True)
    assert kept.read("small").route.verified is None


async def test_what_is_left_was_compared_and_the_last_one_stays() -> None:
    kept = Kept()
    seen = kept.write("small", targets=THREE)
    kept.probing.problems["b"] = "drifts"
    await kept.verification.check("small", seen, take_out=True)
    left = kept.read("small").route
    assert [place.id for place in left.targets] == ["a", "c"]
    assert not needs_check(left)
    kept.probing.problems |= {"a": "drifts", "c": "drifts"}
    text = kept.control.documents["ROUTES", "small"]
    assert (await kept.verification.check("small", text, take_out=True)).taken_out == ()
    assert kept.control.documents["ROUTES", "small"] == text


def kept_route(targets: list[dict[str, Any]]) -> Any:
    read = read_route(json.dumps(document(targets=targets)))
    assert isinstance(read, RouteDocument)
    return read.route


async def test_every_route_of_several_targets_is_watched_and_no_other_and_none_keeps_another_from_it() -> None:
    kept = Kept()
    kept.write("one")
    kept.write("two", targets=TWO)
    kept.write("three", targets=THREE)
    kept.control.documents["ROUTES", "broken"] = "{"
    kept.probing.problems["b"] = "drifts"
    watched = await kept.verification.watch()
    assert [(route.alias, route.taken_out) for route in watched] == [("three", ("b",)), ("two", ("b",))]


class Meanwhile(FakeControlTable):
    """A table in which somebody else writes the route `raced` before every exchange of it."""

    @override
    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        if sk == "raced":
            self.documents[pk, sk] = "somebody else's"
        return await super().replace(pk, sk, seen, document)


async def test_a_route_that_somebody_changes_meanwhile_is_left_to_them_and_the_others_are_watched() -> None:
    kept = Kept(Meanwhile())
    seen = kept.write("raced", targets=TWO)
    kept.write("small", targets=TWO)
    with pytest.raises(InvalidValue, match="changed meanwhile"):
        await kept.verification.check("raced", seen, take_out=True)
    kept.write("raced", targets=TWO)
    raced, small = await kept.verification.watch()
    assert "changed meanwhile" in (raced.error or "")
    assert not raced.is_good()
    assert small.is_good()
    assert kept.control.documents["ROUTES", "raced"] == "somebody else's"


async def test_routes_that_cannot_be_read_are_an_error_and_no_success() -> None:
    kept = Kept()
    kept.control.down = True
    with pytest.raises(ServiceUnavailable):
        await kept.verification.watch()
