"""Can anybody verify our tokens, and does nobody see more than that takes?"""

from __future__ import annotations

import json

import jwt
import pytest

from embedge.core.key_document import planned
from tests.api.client import KEYS, Caller, error_of


@pytest.mark.parametrize("base", ["", "/prod", "/api/v1", "/v1", "/prod/api"])
async def test_our_tokens_are_verified_with_what_is_published_under_any_base(base: str) -> None:
    caller = Caller()
    answer = await caller.send("GET", f"{base}/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    (jwk,) = answer.json()["keys"]
    assert jwk["kid"] == KEYS.kid
    read = jwt.decode(
        caller.token(), jwt.PyJWK(jwk), algorithms=["ES256"], audience="embedge", options={"verify_iat": False}
    )
    assert read["tenant"] == "acme"


async def test_nothing_is_published_of_a_key_but_what_is_public() -> None:
    caller = Caller()
    private = {**json.loads(KEYS.public_jwk), "d": "secret", "note": "ours"}
    caller.world.control.documents["KEYS", KEYS.kid] = planned(json.dumps(private), made_s=5, retires_s=2**40)
    (jwk,) = (await caller.send("GET", "/.well-known/jwks.json")).json()["keys"]
    assert jwk == json.loads(KEYS.public_jwk)


async def test_a_key_that_has_retired_is_published_no_longer() -> None:
    caller = Caller()
    caller.world.control.documents["KEYS", KEYS.kid] = planned(KEYS.public_jwk, retires_s=caller.world.clock.now)
    assert (await caller.send("GET", "/.well-known/jwks.json")).json() == {"keys": []}


async def test_where_no_keys_can_be_read_it_says_so() -> None:
    caller = Caller()
    caller.world.control.down = True
    answer = await caller.send("GET", "/.well-known/jwks.json")
    assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
    assert (await caller.send("POST", "/.well-known/jwks.json")).status_code == 405
