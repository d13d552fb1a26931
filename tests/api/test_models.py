"""Which models does a token see, and what is said of each?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.client import Caller, error_of
from tests.embed.world import DIMENSIONS, MODEL

if TYPE_CHECKING:
    import httpx


def caller_with(**routes: dict[str, Any]) -> Caller:
    """Return the API with these routes beside its own, each its own but for these fields."""
    caller = Caller()
    own = json.loads(caller.world.control.documents["ROUTES", MODEL])
    for alias, changes in routes.items():
        space = {**own["space"], "model": f"team/{alias}"}
        caller.world.control.documents["ROUTES", alias] = json.dumps({**own, "alias": alias, "space": space, **changes})
    return caller


async def get(caller: Caller, path: str, **token: Any) -> httpx.Response:
    """Ask for a path with a token that differs so from the usual."""
    return await caller.send("GET", path, headers={"authorization": f"Bearer {caller.token(**token)}"})


async def test_a_model_is_what_one_wants_to_know_before_embedding() -> None:
    changes = {"owned_by": "team", "created_s": 7, "reducible": False, "max_input_tokens": 512, "names": ["a/b"]}
    model = (await get(caller_with(small=changes), "/v1/models/small")).json()
    assert model == {
        "id": "small",
        "object": "model",
        "created": 7,
        "owned_by": "team",
        "dimensions": DIMENSIONS,
        "dimensions_reducible": False,
        "max_input_tokens": 512,
        "price_usd_per_million_tokens": 0.02,
        "also_known_as": ["a/b", "team/small"],
    }


async def test_models_are_listed_once_each_by_alias_in_order() -> None:
    listed = (await get(caller_with(zeta={}, alpha={"names": ["beta", "gamma"]}), "/v1/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["alpha", MODEL, "zeta"]


async def test_a_model_is_found_under_each_of_its_names_and_no_other() -> None:
    caller = caller_with(small={"names": ["BAAI/bge-m3"]})
    same = [(await get(caller, f"/v1/models/{name}")).json() for name in ("small", "BAAI%2Fbge-m3", "team/small")]
    assert same[0] == same[1] == same[2]
    for name in ("Small", "small ", "BAAI", "bge-m3", "team"):
        missing = await get(caller, f"/v1/models/{name}")
        assert (missing.status_code, error_of(missing)["code"]) == (404, "model_not_found"), name


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        (("*",), {"small", MODEL}),
        (("team/*",), {"small"}),
        (("small", "other"), {"small"}),
        (("other",), set[str]()),
        ((), set[str]()),
    ],
)
async def test_a_token_sees_lists_and_uses_only_the_models_that_it_names(
    patterns: tuple[str, ...], seen: set[str]
) -> None:
    caller = caller_with(small={})
    listed = (await get(caller, "/v1/models", models=patterns)).json()
    assert {model["id"] for model in listed["data"]} == seen
    for name in ("small", MODEL):
        one = await get(caller, f"/v1/models/{name}", models=patterns)
        embedded = await caller.embed({"model": name, "input": "a"}, token=caller.token(models=patterns))
        assert one.status_code == embedded.status_code == (200 if name in seen else 403)
        if name not in seen:
            assert error_of(one)["code"] == error_of(embedded)["code"] == "model_not_allowed"


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}"])
async def test_models_are_for_a_token_with_their_scope(path: str) -> None:
    caller = Caller()
    lacking = await get(caller, path, scopes=("embeddings",))
    assert (lacking.status_code, error_of(lacking)["code"]) == (403, "insufficient_scope")
    nobody = await caller.send("GET", path)
    assert (nobody.status_code, error_of(nobody)["code"]) == (401, "missing_api_key")
    assert (await get(caller, path, scopes=("models",))).status_code == 200
