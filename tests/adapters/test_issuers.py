"""Does an issuer get in whom its configuration names, and nobody else, whatever its tokens say?"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from embedge import tenancy
from embedge.core.issuer_document import issuer_text
from embedge.core.tenant_document import Block, TenantDocument
from embedge.errors import CredentialInvalid, ServiceUnavailable, TenantBlocked
from tests.adapters.test_authenticator_jwt import LIMITS, NOW, OURS, as_json, signed, unsigned, url64
from tests.fakes import FakeClock, FakeControlTable
from tests.identity import Identity

if TYPE_CHECKING:
    from embedge.core.request import Principal

ISS, AUD, URL = "https://idp.example/", "api://embeddings", "https://idp.example/keys"
SECRET = "a-shared-secret-of-more-than-32-bytes"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 (that is what is wrong with it)
EC, EC384, ED = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
)
KEYS: dict[str, Any] = {"rsa": RSA, "ec": EC, "ec384": EC384, "ed": ED, "small": SMALL_RSA}
ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "ec384": "ES384", "ed": "EdDSA", "small": "RS256"}


def public_jwk(kid: str, **more: object) -> dict[str, object]:
    key = KEYS[kid].public_key()
    kind: Any = RSAAlgorithm if "rsa" in kid or kid == "small" else OKPAlgorithm if kid == "ed" else ECAlgorithm
    return {**kind.to_jwk(key, as_dict=True), "kid": kid, **more}


def token(kid: str = "rsa", header: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
    said = {"iss": ISS, "aud": AUD, "tenant": "team", "scope": "embeddings", "exp": NOW + 3600, "jti": "t1"} | changes
    said = {name: value for name, value in said.items() if value is not ...}
    algorithm = (header or {}).get("alg", ALGORITHMS.get(kid, "HS256"))
    signer = key if key is not None else KEYS[kid]
    if not isinstance(signer, bytes):
        return PyJWS().encode(as_json(said), signer, algorithm=algorithm, headers={"kid": kid, **(header or {})})
    head = unsigned({"kid": kid, "alg": algorithm, **(header or {})}, said)
    return f"{head}.{url64(hmac.digest(signer, head.encode(), 'sha256'))}"


class Gate:
    """An authenticator that believes one issuer more than its own keys."""

    def __init__(self, name: str = "okta", **said: object) -> None:
        self.clock = FakeClock(NOW)
        self.control = FakeControlTable({("KEYS", OURS.kid): OURS.public_jwk})
        self.identity = Identity(self.control, self.clock, LIMITS)
        self.publishes("rsa", "ec", "ec384", "ed", "small")
        self.identity.secrets.secrets["env:SECRET"] = SECRET
        self._name = name
        self._write(said)

    def _write(self, said: dict[str, object]) -> None:
        keys = {} if said.keys() & {"secret", "own_keys"} else {"jwks_url": URL}
        document = {"issuer": ISS, "audiences": [AUD], **keys, **said}
        self.control.documents["ISSUERS", self._name] = issuer_text(self._name, json.dumps(document))

    async def says(self, **said: object) -> None:
        self._write(said)
        await tenancy.announce(self.control, "ISSUERS")

    def publishes(self, *kids: str) -> None:
        self.identity.documents.published[URL] = as_json({"keys": [public_jwk(kid) for kid in kids]})

    async def opens(self, shown: str) -> Principal:
        return await self.identity.authenticator.confirm(f"Bearer {shown}")

    async def stays_shut(self, shown: str, because: type[Exception] = CredentialInvalid) -> str:
        with pytest.raises(because) as refused:
            await self.opens(shown)
        return str(refused.value)

    def fetches(self) -> int:
        return len(self.identity.documents.fetched)


# Who is spoken for.


async def test_an_issuer_of_which_no_more_is_said_has_tenants_of_its_own_and_neither_admin_nor_exemption() -> None:
    principal = await Gate().opens(token(scope="embeddings models usage admin", exempt=True))
    assert principal.tenant == "okta.team"
    assert principal.scopes == {"embeddings", "models", "usage"}
    assert (principal.exempt, principal.issuer) == (False, "okta")


async def test_two_issuers_tenants_of_one_name_are_two_tenants_and_neither_is_the_teams_own() -> None:
    gate = Gate()
    gate.control.documents["ISSUERS", "auth0"] = json.dumps(
        {"issuer": "https://other.example", "audiences": [AUD], "jwks_url": URL}
    )
    tenants = {(await gate.opens(token(iss=iss))).tenant for iss in (ISS, "https://other.example")}
    own = signed(
        {"alg": "ES256", "kid": OURS.kid},
        {"iss": "embedge", "aud": "embedge", "tenant": "team", "exp": NOW + 60},
    )
    assert tenants | {(await gate.opens(own)).tenant} == {"okta.team", "auth0.team", "team"}


@pytest.mark.parametrize("claim", ["team", "acme-", "xacme-1", "ACME-1", "acme-1\n", "acme-é", "", None, 1, ["acme-1"]])
async def test_a_tenant_outside_the_list_is_refused(claim: object) -> None:
    gate = Gate(tenant_prefix="", tenants=["acme-?*"])
    await gate.stays_shut(token(tenant=claim))
    assert (await gate.opens(token(tenant="acme-1"))).tenant == "acme-1"


async def test_a_prefix_and_a_claim_that_are_too_long_together_are_refused() -> None:
    await Gate().stays_shut(token(tenant="x" * 60))
    await Gate().opens(token(tenant="x" * 59))


async def test_claims_may_have_other_names_and_lie_deeper() -> None:
    gate = Gate(
        claims={"tenant": ["https://acme.example/app", "team"], "scope": "scp", "models": "m", "exempt": "internal"},
        may_exempt=True,
        scopes=["embeddings", "admin"],
    )
    said: dict[str, Any] = {"https://acme.example/app": {"team": "x"}, "m": ["a*"], "internal": True}
    principal = await gate.opens(token(scp=["admin", "usage"], **said))
    assert (principal.tenant, principal.scopes, principal.models) == ("okta.x", {"admin"}, ("a*",))
    assert principal.exempt
    wrong: Any
    for wrong in ("text", ["x"], {"team": {"x": 1}}, {}, None):
        said["https://acme.example/app"] = wrong
        await gate.stays_shut(token(**said))


@pytest.mark.parametrize("claim", ["true", 1, "yes", [True], None, {}])
async def test_only_true_exempts(claim: object) -> None:
    assert not (await Gate(may_exempt=True).opens(token(exempt=claim))).exempt


async def test_models_are_those_that_issuer_tenant_and_token_all_name() -> None:
    gate = Gate(models=["text-*"])
    await tenancy.put(gate.control, "okta.team", lambda _: TenantDocument(models=("*-small",)))
    principal = await gate.opens(token(models=["*"]))
    assert (principal.models, *principal.narrower_models) == (("*",), ("text-*",), ("*-small",))


async def test_a_tier_that_the_issuer_may_not_grant_is_the_narrowest_that_it_may() -> None:
    gate = Gate(tiers=["default", "flex"])
    assert (await gate.opens(token())).tier == "default"
    assert (await gate.opens(token(tier="flex", jti="2"))).tier == "flex"
    assert (await gate.opens(token(tier="auto", jti="3"))).tier == "flex"


async def test_scopes_may_be_assumed_where_a_token_names_none() -> None:
    gate = Gate(assumed_scopes=["embeddings"])
    assert (await gate.opens(token(scope=...))).scopes == {"embeddings"}
    assert (await gate.opens(token(scope="", jti="2"))).scopes == frozenset()


async def test_its_tenants_have_the_limits_of_their_issuer_until_an_operator_gives_them_others() -> None:
    gate = Gate(limits={"budget_usd": {"day": "2"}, "requests_per_minute": 9})
    limits = (await gate.opens(token())).limits
    assert (limits.day_nano_usd, limits.requests_per_minute) == (2 * 10**9, 9)
    assert limits.month_nano_usd == LIMITS.month_nano_usd
    await tenancy.put(gate.control, "okta.team", lambda _: TenantDocument(requests_per_minute=10))
    gate.clock.pass_time(16)
    limits = (await gate.opens(token())).limits
    assert (limits.day_nano_usd, limits.requests_per_minute) == (LIMITS.day_nano_usd, 10)


# Who signs.


@pytest.mark.parametrize("kid", ["rsa", "ec", "ec384", "ed"])
async def test_each_kind_of_key_verifies_its_own_algorithm(kid: str) -> None:
    gate = Gate()
    await gate.opens(token(kid))
    for other in {"rsa", "ec", "ec384", "ed"} - {kid}:
        await gate.stays_shut(token(other, header={"kid": kid}))


async def test_an_rsa_key_of_1024_bits_verifies_nothing() -> None:
    with pytest.warns(InsecureKeyLengthWarning):
        shown = token("small")
    await Gate().stays_shut(shown)


@pytest.mark.parametrize("algorithm", ["PS256", "RS384", "RS512", "PS512"])
async def test_a_key_that_names_its_algorithm_verifies_no_other(algorithm: str) -> None:
    gate = Gate()
    gate.identity.documents.published[URL] = as_json({"keys": [public_jwk("rsa", alg="RS256")]})
    await gate.stays_shut(token("rsa", header={"alg": algorithm}))
    await gate.opens(token("rsa"))


async def test_an_algorithm_that_the_issuer_does_not_use_is_refused() -> None:
    gate = Gate(algorithms=["RS256"])
    await gate.stays_shut(token("ec"))
    await gate.opens(token("rsa"))


@pytest.mark.parametrize("secret", [as_json(public_jwk("rsa")).decode(), SECRET, "", "rsa"])
async def test_what_is_published_is_no_secret_to_sign_with(secret: str) -> None:
    for algorithm in ("HS256", "RS256"):
        await Gate().stays_shut(token("rsa", header={"alg": algorithm}, key=secret.encode()))


async def test_a_symmetric_key_that_is_published_verifies_nothing() -> None:
    gate = Gate()
    gate.identity.documents.published[URL] = as_json(
        {"keys": [{"kty": "oct", "k": "YS1zaGFyZWQtc2VjcmV0LW9mLW1vcmUtdGhhbi0zMi1ieXRlcw", "kid": "oct"}]}
    )
    await gate.stays_shut(token("oct", key=SECRET.encode()))


async def test_a_shared_secret_verifies_where_one_is_configured_and_nothing_else_does() -> None:
    gate = Gate(secret="env:SECRET")
    assert (await gate.opens(token("x", key=SECRET.encode()))).tenant == "okta.team"
    await gate.stays_shut(token("x", key=SECRET.encode() + b"x"))
    for kid in ("rsa", "ec", "ed"):
        await gate.stays_shut(token(kid))
    assert gate.fetches() == 0
    gate.identity.secrets.secrets["env:SECRET"] = "another-secret-of-more-than-32-bytes-"
    await gate.stays_shut(token("x", key=SECRET.encode()))


async def test_a_secret_that_is_short_or_missing_verifies_nothing() -> None:
    gate = Gate(secret="env:SECRET")
    gate.identity.secrets.secrets["env:SECRET"] = "x" * 31
    await gate.stays_shut(token("x", key=b"x" * 31), ServiceUnavailable)
    gate.identity.secrets.secrets.clear()
    await gate.stays_shut(token("x", key=SECRET.encode()), ServiceUnavailable)


async def test_our_keys_do_not_sign_for_another_issuer_nor_its_keys_for_us() -> None:
    gate = Gate()
    gate.identity.documents.published[URL] = as_json({"keys": [{**public_jwk("ec"), "kid": "ec"}]})
    ours = {"iss": "embedge", "aud": "embedge", "tenant": "team", "exp": NOW + 60}
    await gate.stays_shut(signed({"alg": "ES256", "kid": "ec"}, ours, EC))
    theirs = {"iss": ISS, "aud": AUD, "tenant": "team", "exp": NOW + 60}
    await gate.stays_shut(signed({"alg": "ES256", "kid": OURS.kid}, theirs))
    await gate.opens(signed({"alg": "ES256", "kid": "ec"}, theirs, EC))


async def test_an_issuer_may_be_the_teams_own_keys_under_another_name_and_audience() -> None:
    gate = Gate("internal", own_keys=True, tenant_prefix="", tenants=["svc-*"], may_exempt=True)
    theirs = {"iss": ISS, "aud": AUD, "tenant": "svc-1", "exp": NOW + 60, "exempt": True}
    principal = await gate.opens(signed({"alg": "ES256", "kid": OURS.kid}, theirs))
    assert (principal.tenant, principal.exempt, principal.issuer) == ("svc-1", True, "internal")


@pytest.mark.parametrize("iss", ["https://idp.example", ISS.upper(), ISS + "\n", "embedge ", "", None, [ISS], {}, ...])
async def test_an_issuer_is_known_by_its_exact_name(iss: object) -> None:
    await Gate().stays_shut(token(iss=iss))


@pytest.mark.parametrize("aud", ["embedge", "api://", AUD + "/", [], None, ...])
async def test_a_token_for_another_audience_is_refused(aud: object) -> None:
    await Gate().stays_shut(token(aud=aud))


@pytest.mark.parametrize("header", [{"jku": URL}, {"x5u": URL}, {"jwk": public_jwk("ec")}, {"crit": ["exp"]}])
async def test_nothing_that_a_token_says_is_fetched(header: dict[str, Any]) -> None:
    gate = Gate()
    await gate.stays_shut(token("rsa", header=header))
    await gate.stays_shut(token("rsa", header={"kid": "https://evil.test/keys"}))
    assert set(gate.identity.documents.fetched) <= {URL}


# When.


async def test_keys_are_fetched_when_the_first_token_of_their_issuer_comes_and_once_for_all() -> None:
    gate = Gate()
    assert gate.fetches() == 0
    await asyncio.gather(*(gate.opens(token(kid, jti=f"{kid}{n}")) for kid in ("rsa", "ec", "ed") for n in range(9)))
    assert gate.fetches() == 1


async def test_unknown_kids_cause_one_fetch_in_half_a_minute_however_many_are_tried() -> None:
    gate = Gate()
    await gate.opens(token())
    for fetches in (1, 2, 3):
        await asyncio.gather(*(gate.stays_shut(token("rsa", {"kid": f"k{n}"})) for n in range(50)))
        await asyncio.gather(*(gate.stays_shut(token("rsa", {"kid": f"k{n}"})) for n in range(50)))
        await gate.opens(token())
        assert gate.fetches() == fetches
        gate.clock.pass_time(30.1)


async def test_a_key_that_is_new_is_found_and_one_that_is_gone_is_void_also_for_tokens_that_are_remembered() -> None:
    gate = Gate()
    gate.publishes("rsa")
    await gate.opens(token())
    gate.publishes("ec")
    gate.clock.pass_time(31)
    await gate.opens(token("ec"))
    await gate.stays_shut(token())


async def test_a_key_that_was_changed_under_its_name_voids_what_is_remembered() -> None:
    gate = Gate()
    await gate.opens(token())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = {**RSAAlgorithm.to_jwk(other.public_key(), as_dict=True), "kid": "rsa"}
    gate.identity.documents.published[URL] = as_json({"keys": [jwk]})
    gate.clock.pass_time(601)
    await gate.stays_shut(token())


async def test_keys_are_ten_minutes_old_at_most_and_renewed_before_without_anybody_waiting() -> None:
    gate = Gate()
    await gate.opens(token())
    gate.publishes("ec")
    gate.clock.pass_time(301)
    await gate.opens(token())  # renewed meanwhile
    await asyncio.sleep(0)
    await gate.stays_shut(token())
    gate.identity.documents.published.clear()
    for _ in range(20):
        gate.clock.pass_time(30.1)
        await gate.opens(token("ec"))
        if gate.clock.now - NOW > 301 + 560:
            break
    gate.clock.pass_time(60)
    await gate.stays_shut(token("ec"), ServiceUnavailable)
    assert "jwks_stale" in gate.identity.faults


async def test_an_issuer_that_cannot_be_reached_is_asked_again_soon_and_not_by_everybody() -> None:
    gate = Gate()
    gate.identity.documents.published.clear()
    await asyncio.gather(*(gate.stays_shut(token(jti=str(n)), ServiceUnavailable) for n in range(20)))
    assert gate.fetches() == 1
    gate.publishes("rsa")
    gate.clock.pass_time(5.1)
    await gate.opens(token())


DAMAGED = [b"", b"{", b"[]", b"null", b'{"keys": {}}', b'{"keys": null}', b"[" * 60_000, b"\xff"]


@pytest.mark.parametrize("damaged", DAMAGED, ids=range(len(DAMAGED)))
async def test_what_is_no_key_set_changes_nothing(damaged: bytes) -> None:
    gate = Gate()
    await gate.opens(token())
    gate.identity.documents.published[URL] = damaged
    gate.clock.pass_time(31)
    await gate.stays_shut(token("rsa", {"kid": "x"}))
    await gate.opens(token())


@pytest.mark.parametrize(
    "odd", [None, 1, [], {}, {"kid": 5}, {"kid": "x"}, {"kid": "x", "kty": ["RSA"]}, {"kid": "x", "key_ops": 1}]
)
async def test_a_key_that_is_none_takes_no_other_with_it(odd: object) -> None:
    gate = Gate()
    gate.identity.documents.published[URL] = as_json({"keys": [odd, public_jwk("rsa"), odd]})
    await gate.opens(token())


async def test_a_token_is_void_when_anything_else_is_said_of_its_issuer() -> None:
    gate = Gate(scopes=["embeddings", "usage"])
    assert (await gate.opens(token(scope="usage"))).scopes == {"usage"}
    await gate.says(scopes=["embeddings"])
    gate.clock.pass_time(16)
    assert (await gate.opens(token(scope="usage"))).scopes == frozenset()
    await gate.says(tenant_prefix="other.")
    gate.clock.pass_time(16)
    assert (await gate.opens(token())).tenant == "other.team"


async def test_an_issuer_that_is_gone_is_not_believed_after_fifteen_seconds() -> None:
    gate = Gate()
    await gate.opens(token())
    del gate.control.documents["ISSUERS", "okta"]
    await tenancy.announce(gate.control, "ISSUERS")
    gate.clock.pass_time(16)
    await gate.stays_shut(token())


async def test_an_issuer_that_cannot_be_read_is_not_believed_and_keeps_nobody_else_out() -> None:
    gate = Gate()
    gate.control.documents["ISSUERS", "broken"] = "{"
    await gate.opens(token())
    assert gate.identity.faults == ["issuer_unreadable"]


async def test_what_has_not_changed_keeps_its_keys() -> None:
    gate = Gate()
    await gate.opens(token())
    gate.control.documents["ISSUERS", "auth0"] = json.dumps({"issuer": "x", "audiences": [AUD], "jwks_url": URL})
    await tenancy.announce(gate.control, "ISSUERS")
    gate.clock.pass_time(16)
    await gate.opens(token())
    assert gate.fetches() == 1


# How many.


async def test_an_issuer_brings_as_many_new_tenants_a_day_as_it_may() -> None:
    gate = Gate(new_tenants_a_day=3)
    for number in range(3):
        await gate.opens(token(tenant=f"t{number}"))
    await gate.stays_shut(token(tenant="t3"), TenantBlocked)
    await gate.opens(token(tenant="t1"))
    gate.clock.pass_time(86_400)
    await gate.opens(token(tenant="t3", exp=NOW + 10**6))


async def test_an_issuer_brings_as_many_as_it_may_and_then_never_more() -> None:
    gate = Gate(new_tenants_a_day=2, new_tenants_ever=3)
    for day in range(3):
        for number in range(2):
            shown = token(tenant=f"t{day}-{number}", exp=NOW + 10**6)
            if day * 2 + number < 3:
                await gate.opens(shown)
            else:
                await gate.stays_shut(shown, TenantBlocked)
        gate.clock.pass_time(86_400)


async def test_a_new_tenant_is_refused_by_each_of_its_requests_though_its_token_is_good() -> None:
    gate, credential = Gate(new_tenants_a_day=0), f"Bearer {token()}"
    for _ in range(3):
        await gate.identity.authenticator.verify(credential)
        with pytest.raises(TenantBlocked):
            await gate.identity.authenticator.confirm(credential)


async def test_a_tenant_that_an_operator_has_named_is_not_new() -> None:
    gate = Gate(new_tenants_a_day=0)
    await gate.stays_shut(token(), TenantBlocked)
    await tenancy.put(gate.control, "okta.team", lambda document: document)
    gate.clock.pass_time(16)
    await gate.opens(token())
    assert gate.identity.ledger.sent


async def test_a_tenant_that_was_once_blocked_is_none_that_an_operator_has_named() -> None:
    gate = Gate(new_tenants_a_day=0)
    await tenancy.say(gate.control, "okta.team", "guard#burn", Block(blocked=False, at_s=1))
    await gate.stays_shut(token(), TenantBlocked)


async def test_who_is_known_in_one_process_is_known_in_all_and_counted_once() -> None:
    gate, other = Gate(new_tenants_a_day=1), Gate(new_tenants_a_day=1)
    other.identity.ledger.items = gate.identity.ledger.items
    await gate.opens(token())
    await other.opens(token())
    await other.stays_shut(token(tenant="second"), TenantBlocked)


async def test_who_is_known_writes_nothing_more_and_who_was_refused_is_refused_for_a_minute_without_asking() -> None:
    gate = Gate(new_tenants_a_day=1)
    await gate.opens(token())
    await gate.stays_shut(token(tenant="second"), TenantBlocked)
    gate.identity.ledger.sent.clear()
    for _ in range(20):
        await gate.opens(token())
        await gate.stays_shut(token(tenant="second"), TenantBlocked)
    assert gate.identity.ledger.sent == []


async def test_who_cannot_be_counted_does_not_come() -> None:
    gate = Gate()
    gate.identity.ledger.down = True
    await gate.stays_shut(token(), ServiceUnavailable)


async def test_a_count_whose_reply_is_lost_lets_nobody_in_too_many() -> None:
    gate = Gate(new_tenants_a_day=2)
    gate.identity.ledger.lose_next.extend(("applied", "applied"))
    admitted = 0
    for number in range(12):
        try:
            await gate.opens(token(tenant=f"t{number}"))
        except (ServiceUnavailable, TenantBlocked):
            continue
        admitted += 1
    assert admitted <= 2


async def test_the_teams_own_tokens_bring_as_many_as_operators_make() -> None:
    gate = Gate(new_tenants_a_day=0)
    for number in range(20):
        ours = {"iss": "embedge", "aud": "embedge", "tenant": f"t{number}", "exp": NOW + 60}
        await gate.opens(signed({"alg": "ES256", "kid": OURS.kid}, ours))
    assert gate.identity.ledger.sent == []


async def test_an_issuer_that_is_new_is_believed_after_fifteen_seconds_where_only_its_own_tokens_come() -> None:
    gate = Gate()
    gate.control.documents.pop(("ISSUERS", "okta"))
    await gate.stays_shut(token())
    await gate.says()
    gate.clock.pass_time(16)
    assert (await gate.identity.authenticator.verify(f"Bearer {token()}")).tenant == "okta.team"
