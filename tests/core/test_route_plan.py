"""Does a plan name everything that would change, and what of it an operator must not overlook?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.core.route_document import RouteDocument, read_route
from embedge.core.route_plan import OTHER_HOST, OTHER_SCOPE, OTHER_SPACE, SERVES_AGAIN, Change, Plan, Step, plan
from embedge.errors import InvalidValue
from tests.core.samples import document, target


def read(**changes: Any) -> RouteDocument:
    found = read_route(json.dumps(document(**changes)))
    assert isinstance(found, RouteDocument), found
    return found


def kept(**changes: Any) -> dict[str, str]:
    written = document(**changes)
    return {written["alias"]: json.dumps(written)}


def step(before: dict[str, Any], after: dict[str, Any]) -> Step:
    (only,) = plan(kept(**before), {"small": read(**after)}, prune=False).steps
    return only


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Change]:
    return {change.field: change for change in step(before, after).changes}


def test_what_means_the_same_is_no_change_however_it_is_written() -> None:
    written = {
        "shared": False,
        "ttl_s": 30 * 86_400,
        "targets": [target(price_usd_per_million_tokens="0.0200", weight=1)],
    }
    assert plan(kept(), {"small": read(**written)}, prune=True) == Plan((), 1)


def test_what_the_router_noted_is_no_change_and_is_known_to_the_step() -> None:
    noted = {"verified": {"fingerprint": "0" * 64, "at": "then", "forced": True}}
    assert plan(kept(**noted), {"small": read()}, prune=True) == Plan((), 1)
    verified = step(noted, {"shared": True}).verified
    assert verified
    assert (verified.fingerprint, verified.at, verified.forced) == ("0" * 64, "then", True)


def test_a_new_route_is_all_new_and_no_cause_for_alarm() -> None:
    (new,) = plan({}, {"small": read()}, prune=False).steps
    assert (new.alias, new.seen, new.document) == ("small", None, read())
    assert {(change.field, change.after) for change in new.changes} >= {
        ("space.model", '"vendor/small-v1"'),
        ("targets.one.endpoint", '"https://provider.test/v1"'),
    }
    assert all(change.before is None and change.warning is None for change in new.changes)


def test_a_field_that_changes_is_named_with_what_it_was_and_will_be() -> None:
    assert changes({"ttl_s": 60, "names": ["a"]}, {"names": ["a", "b"]}) == {
        "ttl_s": Change("ttl_s", "60", None),
        "names": Change("names", '["a"]', '["a", "b"]'),
    }


def test_targets_are_compared_by_their_ids_and_their_order_counts() -> None:
    one, two = target(id="a"), target(id="b", weight=2)
    assert changes({"targets": [one, two]}, {"targets": [two, one]}) == {
        "targets": Change("targets", '["a", "b"]', '["b", "a"]')
    }


@pytest.mark.parametrize(
    ("before", "after", "field", "warning"),
    [
        ({}, {"endpoint": "https://other.test/v1"}, "endpoint", OTHER_HOST),
        ({}, {"endpoint": "https://provider.test:444/v1"}, "endpoint", OTHER_HOST),
        ({}, {"endpoint": "https://provider.test.evil.test/v1"}, "endpoint", OTHER_HOST),
        ({}, {"endpoint": "https://provider.test/v2"}, "endpoint", None),
        ({}, {"transport": "sagemaker", "endpoint": "e"}, "transport", OTHER_HOST),
        ({"disabled": "it drifted"}, {}, "disabled", OTHER_HOST),
        ({}, {"secret": "env:OTHER"}, "secret", None),
    ],
)
def test_another_host_is_named_as_such(
    before: dict[str, Any], after: dict[str, Any], field: str, warning: str | None
) -> None:
    other = target(id="other", endpoint="https://third.test/v1")
    found = changes({"targets": [target(**before), other]}, {"targets": [target(**after), other]})
    assert found[f"targets.one.{field}"].warning == warning


def test_a_target_that_serves_again_at_a_known_host_is_named_as_such() -> None:
    out, other = target(disabled="it drifted"), target(id="two")
    assert (
        changes({"targets": [out, other]}, {"targets": [target(), other]})["targets.one.disabled"].warning
        == SERVES_AGAIN
    )


def test_a_target_that_is_added_at_another_host_is_named_as_such() -> None:
    added = target(id="two", endpoint="https://other.test/v1")
    assert changes({}, {"targets": [target(), added]})["targets.two.endpoint"].warning == OTHER_HOST


@pytest.mark.parametrize("space", [{"prompt": "query: "}, {"revision": "2"}, {"dimensions": 9}, {"normalised": False}])
def test_another_space_is_named_as_such(space: dict[str, Any]) -> None:
    (field,) = space
    for before, after in (({}, space), (space, {})):
        old, new = ({"space": {**document()["space"], **one}} for one in (before, after))
        assert changes(old, new)[f"space.{field}"].warning == OTHER_SPACE


def test_another_scope_of_the_cache_is_named_as_such() -> None:
    assert changes({}, {"shared": True})["shared"].warning == OTHER_SCOPE


def test_a_route_that_no_file_names_goes_only_where_that_is_asked_for() -> None:
    seen = kept() | kept(alias="old", space={"model": "old", "revision": "1", "dimensions": 8})
    assert plan(seen, {"small": read()}, prune=False) == Plan((), 1)
    assert plan(seen, {"small": read()}, prune=True) == Plan((Step("old", seen["old"], None, ()),), 1)


@pytest.mark.parametrize("unreadable", ["{", "{}", "null", json.dumps(document(targets=[]))])
def test_what_cannot_be_read_is_replaced_with_every_warning(unreadable: str) -> None:
    (only,) = plan({"small": unreadable}, {"small": read()}, prune=False).steps
    assert only.seen == unreadable
    assert {change.warning for change in only.changes} == {None, OTHER_HOST, OTHER_SPACE}


def model(name: str) -> dict[str, Any]:
    return {"space": {"model": name, "revision": "1", "dimensions": 8}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"names": ["s"]}, {"names": ["s"], **model("b")}),
        ({"names": ["other"]}, model("b")),
        ({}, {"names": ["small"], **model("b")}),
        ({}, {}),
        ({"names": ["b"]}, model("b")),
    ],
)
def test_a_name_that_would_lead_two_ways_is_refused(one: dict[str, Any], other: dict[str, Any]) -> None:
    routes = {"small": read(**one), "other": read(alias="other", **other)}
    with pytest.raises(InvalidValue, match="both answer to the name"):
        plan({}, routes, prune=False)
    with pytest.raises(InvalidValue, match="both answer to the name"):
        plan(kept(**one), {"other": routes["other"]}, prune=False)
    assert plan(kept(**one), {"other": routes["other"]}, prune=True).steps


def test_an_alias_may_be_the_model_of_another_route() -> None:
    routes = {"small": read(**model("b")), "b": read(alias="b", **model("b"))}
    assert len(plan({}, routes, prune=False).steps) == 2


def test_routes_that_clash_already_do_not_keep_others_from_being_written() -> None:
    seen = kept(names=["x"]) | kept(alias="b", names=["x"], **model("b"))
    assert len(plan(seen, {"c": read(alias="c", **model("c"))}, prune=False).steps) == 1


@given(st.text(max_size=20))
def test_nothing_of_a_document_moves_a_terminals_cursor(prompt: str) -> None:
    space = {**document()["space"], "prompt": prompt}
    shown = plan({}, {"small": read(space=space)}, prune=False).steps[0].changes
    assert all((change.after or "").isprintable() for change in shown)
