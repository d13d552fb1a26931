"""Do keys change without anybody being refused, and is a token refused that was taken back?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest

from embedge.core.key_document import made_s, signing_kid
from embedge.errors import CredentialInvalid, CredentialRevoked
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from tests.cli.laptop import Laptop


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token.strip())["kid"])


def later(laptop: Laptop, seconds: float) -> FakeClock:
    """Return a clock that is so much later than when the newest key was made."""
    return FakeClock(max(map(made_s, laptop.documents("KEYS").values())) + seconds)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_what_either_kind_of_key_signs_is_taken(laptop: Laptop, algorithm: str) -> None:
    laptop.done("keys", "init", "--algorithm", algorithm)
    token = laptop.done("token", "mint").strip()
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert laptop.verified(token).tenant == "default"


def test_after_a_rotation_old_tokens_stay_good_until_their_key_retires(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    old = laptop.done("token", "mint").strip()
    printed = laptop.done("keys", "rotate", "--algorithm", "EdDSA", "--overlap-days", "2")
    assert f"{kid_of(old)} retires at " in printed
    assert laptop.verified(old).tenant == "default"
    assert laptop.verified(old, later(laptop, 60 + 2 * 86_400 - 1)).tenant == "default"
    with pytest.raises(CredentialInvalid):
        laptop.verified(old, later(laptop, 61 + 2 * 86_400))


def test_a_new_key_signs_only_when_every_router_knows_it(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    first = kid_of(laptop.done("token", "mint"))
    laptop.done("keys", "rotate")
    assert kid_of(laptop.done("token", "mint")) == first
    documents = laptop.documents("KEYS")
    (second,) = documents.keys() - {first}
    now_s = made_s(documents[second])
    assert signing_kid([second, first], documents, now_s + 59) == first
    assert signing_kid([second, first], documents, now_s + 60) == second


def test_a_token_of_a_key_that_retires_ends_with_it(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    laptop.done("keys", "rotate", "--overlap-days", "1")
    token = laptop.done("token", "mint", "--days", "30").strip()
    lasts_s = jwt.decode(token, options={"verify_signature": False})["exp"] - later(laptop, 0).now
    assert 86_400 < lasts_s < 86_400 + 61


def test_a_rotation_shortens_no_earlier_ones_overlap_and_keeps_two_private_keys(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    for days in ("2", "9", "9"):
        laptop.done("keys", "rotate", "--overlap-days", days)
    lines = laptop.done("keys", "list").splitlines()
    assert len(lines) == 4
    assert len(laptop.pems()) == 2
    ends = [line.partition("until ")[2] for line in lines]
    assert ends[0] < ends[1] <= ends[2]
    assert ends[3] == ""
    assert sum("signs" in line for line in lines) == 1


def test_init_after_a_rotation_changes_no_plan(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    laptop.done("keys", "rotate")
    before = laptop.documents("KEYS")
    assert "Kept" in laptop.done("keys", "init")
    assert laptop.documents("KEYS") == before


def test_a_key_that_is_retired_takes_its_tokens_with_it_at_once(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    token = laptop.done("token", "mint").strip()
    laptop.done("keys", "rotate")
    laptop.done("keys", "retire", kid_of(token), "--yes")
    with pytest.raises(CredentialInvalid):
        laptop.verified(token)
    assert laptop.verified(laptop.done("token", "mint").strip()).tenant == "default"
    for further in ((), ("--yes",)):  # nobody is asked about what is not there
        assert "There is no key" in laptop.refused("keys", "retire", kid_of(token), *further)


def test_a_token_may_be_narrower_and_may_be_exempt(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    token = laptop.done("token", "mint", "--tier", "flex", "--exempt", "--scope", "admin").strip()
    principal = laptop.verified(token)
    assert (principal.tier, principal.exempt, principal.scopes) == ("flex", True, {"admin"})
    assert not laptop.verified(laptop.done("token", "mint").strip()).exempt


def test_what_a_token_says_is_shown_and_what_a_router_makes_of_it(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    token = laptop.done("token", "mint", "--tenant", "acme", "--model", "text-*").strip()
    shown = laptop.done("token", "inspect", token)
    assert 'tenant   "acme"' in shown
    assert "Taken: tenant acme, scopes embeddings models usage, models text-*, tier auto" in shown
    assert token.rsplit(".", 1)[1] not in shown
    laptop.done("tenant", "block", "acme")
    result = laptop.run("token", "inspect", f"Bearer {token}")
    assert (result.exit_code, "Refused: This tenant is blocked" in result.stdout) == (1, True)
    forged = laptop.run("token", "inspect", token[:-9] + "AAAAAAAAA")
    assert (forged.exit_code, "Refused: Incorrect API key" in forged.stdout) == (1, True)
    assert "not a JSON Web Token" in laptop.refused("token", "inspect", "x")


def test_a_token_that_was_taken_back_is_refused_and_no_other(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    token, other = (laptop.done("token", "mint").strip() for _ in range(2))
    assert "within 30 seconds" in laptop.done("token", "revoke", token)
    with pytest.raises(CredentialRevoked):
        laptop.verified(token)
    name = laptop.verified(other).token_id
    laptop.done("token", "revoke", "--id", name)
    with pytest.raises(CredentialRevoked):
        laptop.verified(other)
    laptop.done("tenant", "block", "default")
    assert "Taken back" in laptop.done("token", "revoke", token)


def test_what_cannot_be_taken_back_says_why(laptop: Laptop) -> None:
    laptop.done("keys", "init")
    token = laptop.done("token", "mint").strip()
    assert "Incorrect API key" in laptop.refused("token", "revoke", token[:-9] + "AAAAAAAAA")
    assert "no issuer okta" in laptop.refused("token", "revoke", "--id", "x", "--issuer", "okta")
    assert "not a token's name" in laptop.refused("token", "revoke", "--id", "a b")
    assert laptop.run("token", "revoke").exit_code == 2
    assert laptop.run("token", "revoke", token, "--id", "x").exit_code == 2


ISSUER = {"issuer": "https://idp.example/", "audiences": ["api"], "jwks_url": "https://idp.example/keys"}


def test_an_issuer_is_put_shown_listed_and_deleted(laptop: Laptop) -> None:
    said = {**ISSUER, "scopes": ["embeddings"], "limits": {"budget_usd": {"day": 2}}}
    assert "tenants okta.…, scopes embeddings" in laptop.done("issuer", "put", "okta", laptop.file("i.json", said))
    again = laptop.file("again.yaml", laptop.done("issuer", "show", "okta"))
    before = laptop.documents("ISSUERS")
    laptop.done("issuer", "put", "okta", again)
    assert laptop.documents("ISSUERS") == before
    assert laptop.done("issuer", "list").startswith("okta  https://idp.example/, ")
    laptop.done("issuer", "delete", "okta", "--yes")
    assert laptop.done("issuer", "list") == ""
    assert "no issuer okta" in laptop.refused("issuer", "show", "okta")


def test_two_issuers_cannot_be_the_same_and_none_can_be_us(laptop: Laptop) -> None:
    laptop.done("issuer", "put", "okta", laptop.file("i.json", ISSUER))
    assert "okta has the same" in laptop.refused("issuer", "put", "auth0", laptop.file("i.json", ISSUER))
    ours = laptop.file("ours.json", {**ISSUER, "issuer": "embedge"})
    assert "own has the same" in laptop.refused("issuer", "put", "auth0", ours)


@pytest.mark.parametrize(
    "wrong",
    [
        {"jwks_url": "http://idp.example/keys"},
        {"jwks_url": "http://idp.example/keys", "private": True},
        {"jwks_url": "https://127.0.0.1/keys"},
        {"jwks_url": "https://169.254.169.254/keys"},
        {"jwks_url": "https://u:p@idp.example/keys"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": None},
        {"secret": "env:X"},
        {"secret": "plain-text-secret", "jwks_url": None},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"tenant_prefix": ""},
        {"tenant_prefix": "a#"},
        {"audiences": []},
        {"scopes": ["root"]},
        {"assumed_scopes": ["admin"]},
        {"new_tenants_a_day": -1},
        {"surprise": 1},
    ],
    ids=json.dumps,
)
def test_what_makes_no_safe_issuer_is_refused(laptop: Laptop, wrong: dict[str, object]) -> None:
    said = {name: value for name, value in {**ISSUER, **wrong}.items() if value is not None}
    assert "This is not an issuer" in laptop.refused("issuer", "put", "okta", laptop.file("i.json", said))
    assert laptop.documents("ISSUERS") == {}


@pytest.mark.parametrize("name", ["own", "a.b", "", "a#b", "x" * 33])
def test_an_issuers_name_is_plain_so_that_its_tenants_are_its_own(laptop: Laptop, name: str) -> None:
    assert "This is not an issuer" in laptop.refused("issuer", "put", name, laptop.file("i.json", ISSUER))
