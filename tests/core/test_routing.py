"""Does a name lead to its own route, for those who may use it, and never to another?"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from embedge.core.routing import by_name, choose, may_use, require_scope
from embedge.errors import ModelNotAllowed, ModelNotFound, ScopeMissing
from tests.core.samples import principal, route

if TYPE_CHECKING:
    from embedge.core.route import Route

SMALL = route()
LARGE = route(alias="large", names=["big"], space={"model": "vendor/large-v1", "revision": "1", "dimensions": 16})
# Same model, another prompt: its names are in the way of all of SMALL's.
TWIN = replace(SMALL, alias="twin", names=("small", "twin-2"), space=replace(SMALL.space, prompt="query: "))


def test_a_route_answers_to_its_alias_its_names_and_its_models_name_and_to_nothing_else() -> None:
    routes = by_name([SMALL, LARGE])
    assert routes == {"small": SMALL, "vendor/small-v1": SMALL, "large": LARGE, "big": LARGE, "vendor/large-v1": LARGE}


@pytest.mark.parametrize("routes", list(permutations([SMALL, LARGE, TWIN])))
def test_an_alias_always_leads_to_its_own_route_whatever_other_routes_call_themselves(
    routes: tuple[Route, ...],
) -> None:
    found = by_name(iter(routes))
    assert (found["small"], found["large"], found["twin"]) == (SMALL, LARGE, TWIN)
    assert found["twin-2"] == TWIN


@pytest.mark.parametrize("name", ["", "Small", "small ", " small", "smal", "small-2", "vendor/small-v2", "*", "s*"])
def test_a_name_that_is_not_exactly_one_of_a_routes_is_not_found_and_not_repeated(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        choose(by_name([SMALL]), principal("*"), name)
    assert caught.value.param == "model"
    assert "GET /v1/models" in caught.value.message


@pytest.mark.parametrize("pattern", ["*", "small", "vendor/*", "sm?ll", "vendor/small-v[0-9]"])
def test_who_may_use_any_of_a_routes_names_may_use_all_of_them(pattern: str) -> None:
    for name in SMALL.answers_to():
        assert choose(by_name([SMALL]), principal("nothing", pattern), name) == SMALL


@pytest.mark.parametrize("patterns", [(), ("",), ("SMALL",), ("smal",), ("large", "vendor/large*"), ("vendor",)])
def test_who_may_not_is_told_so_and_gets_no_other_model(patterns: tuple[str, ...]) -> None:
    assert not may_use(principal(*patterns), SMALL)
    with pytest.raises(ModelNotAllowed) as caught:
        choose(by_name([SMALL, LARGE]), principal(*patterns), "vendor/small-v1")
    assert caught.value.param == "model"


def test_a_scope_is_needed_by_its_exact_name() -> None:
    require_scope(principal("*"), "embeddings")
    with pytest.raises(ScopeMissing, match="'usage'"):
        require_scope(principal("*"), "usage")
    with pytest.raises(ScopeMissing):
        require_scope(principal("*", scopes=frozenset()), "embeddings")
