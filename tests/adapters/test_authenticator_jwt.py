"""Does a forged, altered, borrowed or outlived token get in, and does a good one ever stay out?"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm
from jwt.utils import der_to_raw_signature

from embedge.cli.signing import new_key_pair
from embedge.core.request import NO_LIMIT, Limits, Principal
from embedge.errors import (
    AuthenticationFailed,
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    ServiceUnavailable,
)
from tests.adapters.slowly import SlowControlTable
from tests.fakes import FakeClock, FakeControlTable
from tests.identity import Identity

OURS, THEIRS = new_key_pair("ours"), new_key_pair("theirs")
LIMITS = Limits(60, 1000, 10**9, 10**10, NO_LIMIT)
HEADER = {"alg": "ES256", "typ": "JWT", "kid": OURS.kid}
NOW = 1_800_000_000
LARGEST = 8192


def private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


OUR_KEY, THEIR_KEY = private_key(OURS.pem), private_key(THEIRS.pem)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def shown(value: object) -> str:
    """Return how a case is called: whatever it is, and not all of what is long."""
    return repr(value)[:24]


def url64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def as_json(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def unsigned(header: object, claims: object) -> str:
    return f"{url64(as_json(header))}.{url64(as_json(claims))}"


def signed(header: object, claims: object, key: ec.EllipticCurvePrivateKey = OUR_KEY) -> str:
    """Return what ES256 makes of a header and claims, which may be any bytes."""
    head = unsigned(header, claims)
    der = key.sign(head.encode(), ec.ECDSA(SHA256()))
    return f"{head}.{url64(der_to_raw_signature(der, key.curve))}"


def claims(**changes: Any) -> dict[str, object]:
    """Return good claims, but for these changes; `...` leaves one out."""
    good: dict[str, object] = {
        "iss": "embedge",
        "aud": "embedge",
        "tenant": "acme",
        "scope": "embeddings models",
        "iat": NOW,
        "exp": NOW + 3600,
        "jti": "token-1",
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


class Door:
    """An authenticator, and the one key in its Control table."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.control = FakeControlTable({("KEYS", OURS.kid): OURS.public_jwk})
        self.slowly = SlowControlTable(self.control)
        self.identity = Identity(self.slowly, self.clock, LIMITS)
        self.faults, self.authenticator = self.identity.faults, self.identity.authenticator

    async def opens(self, token: str) -> Principal:
        credential = f"Bearer {token}"  # one, as of a request
        await self.authenticator.verify(credential)
        return await self.authenticator.confirm(credential)

    async def stays_shut(self, token: str, because: type[Exception] = CredentialInvalid) -> None:
        with pytest.raises(because) as refused:
            await self.authenticator.confirm(f"Bearer {token}")
        if because is CredentialInvalid:  # for that, nothing has to be known but the keys
            with pytest.raises(because):
                await self.authenticator.verify(f"Bearer {token}")
        error: BaseException | None = refused.value
        while error is not None:
            assert not any(part in str(error) for part in token.split(".") if len(part) > 8)
            error = error.__cause__


async def test_a_good_token_is_its_tenant_its_scopes_and_the_limits_of_who_has_none() -> None:
    principal = await Door().opens(signed(HEADER, claims()))
    assert (principal.tenant, principal.scopes, principal.models) == ("acme", {"embeddings", "models"}, ("*",))
    assert (principal.limits, principal.exempt, principal.tier) == (LIMITS, False, "auto")
    assert (principal.issuer, principal.token_id) == ("own", "token-1")


# What is forged.

ALGORITHMS = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "HS256",
    "RS256",
    "PS256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "es256",
]


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "ES256 ", None, ["ES256"], {"ES256": 1}, 256, True], ids=repr)
async def test_a_header_cannot_name_another_algorithm_than_the_keys(algorithm: object) -> None:
    await Door().stays_shut(signed({**HEADER, "alg": algorithm}, claims()))
    await Door().stays_shut(unsigned({**HEADER, "alg": algorithm}, claims()) + ".")


async def test_a_header_without_an_algorithm_is_refused() -> None:
    await Door().stays_shut(signed({"kid": OURS.kid}, claims()))


def _public(key: ec.EllipticCurvePrivateKey, encoding: Encoding, form: PublicFormat) -> bytes:
    return key.public_key().public_bytes(encoding, form)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
@pytest.mark.parametrize(
    "secret",
    [
        OURS.public_jwk.encode(),
        _public(OUR_KEY, Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        _public(OUR_KEY, Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        _public(OUR_KEY, Encoding.X962, PublicFormat.UncompressedPoint),
        OURS.kid.encode(),
        b"",
    ],
    ids=["jwk", "pem", "der", "point", "kid", "nothing"],
)
async def test_what_is_public_is_no_secret_to_sign_with(secret: bytes, algorithm: str) -> None:
    head = unsigned({**HEADER, "alg": algorithm}, claims())
    await Door().stays_shut(f"{head}.{url64(HMACAlgorithm(HMACAlgorithm.SHA256).sign(head.encode(), secret))}")


async def test_a_signature_of_another_kind_or_by_another_key_is_refused() -> None:
    head = unsigned(HEADER, claims())
    by_rsa = RSAAlgorithm(RSAAlgorithm.SHA256).sign(head.encode(), RSA_KEY)
    other_hash = der_to_raw_signature(OUR_KEY.sign(head.encode(), ec.ECDSA(SHA384())), OUR_KEY.curve)
    der = OUR_KEY.sign(head.encode(), ec.ECDSA(SHA256()))
    curve = ec.generate_private_key(ec.SECP256K1())
    zeros, order = bytes(64), (0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551).to_bytes(32, "big")
    for signature in (by_rsa, other_hash, der, b"", zeros, order * 2, zeros[:32] + order, b"\xff" * 64, der * 9):
        await Door().stays_shut(f"{head}.{url64(signature)}")
    for key in (THEIR_KEY, curve):
        await Door().stays_shut(signed(HEADER, claims(), key))


async def test_no_character_of_a_token_can_be_changed() -> None:
    token, door = signed(HEADER, claims()), Door()
    for at in range(len(token)):
        await door.stays_shut(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])
    await door.opens(token)


@pytest.mark.parametrize("junk", [" ", "\t", "\n", "\r\n", "\0", ".", ",", "!", "/", "+", "é", "\u00a0", "\u200b"])
async def test_nothing_can_be_put_into_a_token(junk: str) -> None:
    token = signed(HEADER, claims())
    head, payload, signature = token.split(".")
    for altered in (
        f"{head}{junk}.{payload}.{signature}",
        f"{head}.{junk}{payload}.{signature}",
        f"{head}.{payload}.{signature[:9]}{junk}{signature[9:]}",
        f"{head}.{payload}.{signature}{junk}x",
        f"{head}.{payload}.{signature}, Bearer {token}",
    ):
        await Door().stays_shut(altered)


REFUSED = ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("value", [None, False, True, "https://evil.test/jwks.json", [], ["exp"], {}], ids=repr)
async def test_a_header_cannot_bring_its_own_key_or_change_what_is_signed(name: str, value: object) -> None:
    await Door().stays_shut(signed({**HEADER, name: value}, claims()))


async def test_a_key_inside_a_token_does_not_verify_it() -> None:
    theirs = json.loads(THEIRS.public_jwk)
    for header in ({**HEADER, "jwk": theirs}, {**HEADER, "jwk": theirs, "kid": THEIRS.kid}):
        await Door().stays_shut(signed(header, claims(), THEIR_KEY))


KIDS = ["", "OURS", "ours ", " ours", "ours\0", "../KEYS/ours", "/etc/passwd", "ours#", "\ud800", "k" * 5000]


@pytest.mark.parametrize("kid", [*KIDS, None, [OURS.kid], {"ours": 1}, 0, True, ...], ids=shown)
async def test_a_kid_only_looks_up_a_key_by_its_exact_name(kid: object) -> None:
    header = {"alg": "ES256"} if kid is ... else {**HEADER, "kid": kid}
    await Door().stays_shut(signed(header, claims()))


NO_OBJECTS = [b"", b"{", b"null", b"[]", b'"x"', b"1", b"\xff\xfe", b"[" * 4000, b'{"a":' * 900]


@pytest.mark.parametrize("part", NO_OBJECTS, ids=shown)
async def test_a_header_that_is_no_object_is_refused(part: bytes) -> None:
    await Door().stays_shut(signed(part, claims()))
    await Door().stays_shut(signed(b'{"alg":"ES256","kid":"ours","x":' + b"[" * 4000, claims()))


@pytest.mark.parametrize("part", NO_OBJECTS, ids=shown)
async def test_claims_that_are_no_object_are_refused(part: bytes) -> None:
    await Door().stays_shut(signed(HEADER, part))


TWICE = (
    '"tenant": "other"',
    '"tenant": "acme"',
    '"exp": 1',
    '"iss": "x"',
    '"x": {"y": 1, "y": 2}',
    '"t\\u0065nant": "x"',
)


@pytest.mark.parametrize("more", TWICE)
async def test_what_a_token_says_twice_is_refused_wherever_it_stands(more: str) -> None:
    await Door().stays_shut(signed(HEADER, as_json(claims())[:-1] + f", {more}}}".encode()))
    await Door().stays_shut(signed(HEADER, f"{{{more}, ".encode() + as_json(claims())[1:]))


@pytest.mark.parametrize("more", ['"alg": "ES256"', '"alg": "none"', '"kid": "theirs"', '"\\u006bid": "ours"'])
async def test_what_a_header_says_twice_is_refused(more: str) -> None:
    await Door().stays_shut(signed(as_json(HEADER)[:-1] + f", {more}}}".encode(), claims()))


# What is claimed.

NOT_TIMES: list[object] = [
    "1900000000",
    "soon",
    "",
    None,
    True,
    False,
    [],
    {},
    -1,
    -0.5,
    2**53,
    10**300,
    1e400,
    float("nan"),
    -1e400,
]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NOT_TIMES, ids=shown)
async def test_a_time_is_a_number_that_can_be_one(name: str, value: object) -> None:
    await Door().stays_shut(signed(HEADER, claims(**{name: value})))


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "tenant"])
async def test_a_token_names_its_end_its_issuer_its_audience_and_its_tenant(name: str) -> None:
    await Door().stays_shut(signed(HEADER, claims(**{name: ...})))


async def test_a_token_need_not_say_when_it_begins() -> None:
    assert await Door().opens(signed(HEADER, claims(iat=..., jti=...)))


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_a_token_that_begins_later_waits_but_for_a_minute_of_clocks_apart(name: str) -> None:
    door = Door()
    await door.stays_shut(signed(HEADER, claims(**{name: NOW + 61})))
    assert await door.opens(signed(HEADER, claims(**{name: NOW + 60})))
    assert await door.opens(signed(HEADER, claims(**{name: NOW - 10**8})))


async def test_a_token_ends_at_its_end_to_the_moment() -> None:
    door, token = Door(), signed(HEADER, claims(exp=NOW + 0.5))
    assert await door.opens(token)
    door.clock.pass_time(0.49)
    assert await door.opens(token)
    door.clock.pass_time(0.01)
    await door.stays_shut(token, CredentialExpired)
    await Door().stays_shut(signed(HEADER, claims(exp=NOW)), CredentialExpired)
    await Door().stays_shut(signed(HEADER, claims(exp=0)), CredentialExpired)


@pytest.mark.parametrize(
    "value", ["Embedge", "embedge ", "embedge\n", "", None, [], {}, 1, ["Embedge"], [1], "em"], ids=repr
)
async def test_another_audience_is_refused(value: object) -> None:
    await Door().stays_shut(signed(HEADER, claims(aud=value)))


async def test_an_audience_may_be_one_of_several() -> None:
    assert await Door().opens(signed(HEADER, claims(aud=["other", "embedge"])))


@pytest.mark.parametrize(
    "value", ["Embedge", "embedge ", "embedge\n", "", None, ["embedge"], {"embedge": 1}, 1, "em"], ids=repr
)
async def test_another_issuer_is_refused(value: object) -> None:
    await Door().stays_shut(signed(HEADER, claims(iss=value)))


TENANTS = [
    "",
    " ",
    "acme\n",
    "\nacme",
    "acme ",
    "ac me",
    "acme#B",
    "acme/../x",
    "\u0430cme",
    "\uff41cme",
    "acmé",
    "acme\0",
    "١٢",
]


@pytest.mark.parametrize("value", [*TENANTS, "a" * 65, None, 1, True, ["acme"], {"acme": 1}], ids=repr)
async def test_a_tenants_name_is_plain_and_short(value: object) -> None:
    await Door().stays_shut(signed(HEADER, claims(tenant=value)))


@pytest.mark.parametrize("value", ["a", "a" * 64, "A-z_0.9"])
async def test_plain_and_short_names_are_tenants(value: str) -> None:
    assert (await Door().opens(signed(HEADER, claims(tenant=value)))).tenant == value


SCOPES: list[tuple[object, set[str]]] = [
    ("embeddings", {"embeddings"}),
    ("  usage \n models  ", {"usage", "models"}),
    ("embeddings embeddings root * Embeddings embeddings:all", {"embeddings"}),
    ("", set()),
    (..., set()),
    (None, set()),
    (["embeddings", "admins", 1, None, "models"], {"embeddings", "models"}),
    (["embeddings models"], set()),
    ({"embeddings": True}, set()),
    (True, set()),
]


@pytest.mark.parametrize(("value", "granted"), SCOPES, ids=range(len(SCOPES)))
async def test_scopes_are_those_of_ours_that_a_token_lists_and_no_others(value: object, granted: set[str]) -> None:
    assert (await Door().opens(signed(HEADER, claims(scope=value)))).scopes == granted


@pytest.mark.parametrize("value", [None, 1, True, {}, {"*": 1}, ["a", 1], [None], [["*"]]], ids=repr)
async def test_models_that_are_no_names_are_refused(value: object) -> None:
    await Door().stays_shut(signed(HEADER, claims(models=value)))


@pytest.mark.parametrize(
    ("value", "named"), [(..., ("*",)), ("small", ("small",)), (["a", "b*"], ("a", "b*")), ([], ()), ("", ("",))]
)
async def test_models_are_those_named_and_all_where_nothing_is_said(value: object, named: tuple[str, ...]) -> None:
    assert (await Door().opens(signed(HEADER, claims(models=value)))).models == named


# What is sent.


def padded_to(size: int) -> str:
    for letters in range(size):
        token = signed({**HEADER, "x": "x" * letters}, claims(pad="x" * (5750 - letters)))
        if len(token) == size:
            return token
    raise AssertionError("no such token")


async def test_a_token_has_at_most_8_kilobytes() -> None:
    token, door = padded_to(LARGEST), Door()
    assert await door.opens(token)
    await door.stays_shut(token + "A")
    await door.stays_shut("A" * 10_000_000)


@pytest.mark.parametrize("header", [None, "", " ", "\t\n"])
async def test_who_shows_nothing_is_told_how(header: str | None) -> None:
    with pytest.raises(CredentialMissing):
        await Door().authenticator.verify(header)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic dTpw", "Token x", "Bearer\tTOKEN", "TOKEN", "Bearer é"])
async def test_what_is_no_bearer_token_is_refused(header: str) -> None:
    with pytest.raises(CredentialInvalid):
        await Door().authenticator.verify(header.replace("TOKEN", signed(HEADER, claims())))


@pytest.mark.parametrize("header", ["bearer TOKEN", "BEARER TOKEN", "  Bearer   TOKEN  "])
async def test_the_scheme_is_read_in_any_case_and_space_around_it_is_nothing(header: str) -> None:
    assert await Door().authenticator.verify(header.replace("TOKEN", signed(HEADER, claims())))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="eyJhbGci.=-_ \n", max_size=200) | st.binary(max_size=99).map(url64))
def test_whatever_is_sent_is_a_refusal_and_no_fault_of_ours(text: str) -> None:
    async def run() -> None:
        for header in (
            text,
            f"Bearer {text}",
            f"Bearer {text}.{text}.{text}",
            f"Bearer {url64(as_json(HEADER))}.{text}",
        ):
            with pytest.raises(AuthenticationFailed):
                await Door().authenticator.verify(header)

    asyncio.run(run())


# Keys, and tokens that are remembered.


async def test_a_remembered_token_expires_too() -> None:
    door, token = Door(), signed(HEADER, claims(exp=NOW + 20))
    assert await door.opens(token) == await door.opens(token)
    door.clock.pass_time(20)
    await door.stays_shut(token, CredentialExpired)
    await door.stays_shut(token, CredentialExpired)


async def test_a_remembered_token_is_void_when_its_key_is_gone() -> None:
    door, token = Door(), signed(HEADER, claims())
    await door.opens(token)
    del door.control.documents["KEYS", OURS.kid]
    door.clock.pass_time(601)
    await door.stays_shut(token)
    await door.stays_shut(token)


async def test_a_remembered_token_is_void_when_another_key_has_its_keys_name() -> None:
    door, token = Door(), signed(HEADER, claims())
    await door.opens(token)
    door.control.documents["KEYS", OURS.kid] = THEIRS.public_jwk
    door.clock.pass_time(601)
    await door.stays_shut(token)
    await door.stays_shut(token)
    assert await door.opens(signed(HEADER, claims(), THEIR_KEY))


async def test_many_who_show_a_token_whose_key_is_gone_at_once_are_all_refused() -> None:
    door, token = Door(), signed(HEADER, claims())
    await door.opens(token)
    del door.control.documents["KEYS", OURS.kid]
    door.clock.pass_time(601)
    await asyncio.gather(*(door.stays_shut(token) for _ in range(20)))


async def test_a_key_that_is_only_written_differently_refuses_nobody() -> None:
    door, token = Door(), signed(HEADER, claims())
    await door.opens(token)
    door.control.documents["KEYS", OURS.kid] = json.dumps(json.loads(OURS.public_jwk), indent=1)
    door.clock.pass_time(601)
    assert await door.opens(token)


async def test_unknown_kids_cause_one_look_in_half_a_minute_however_many_are_tried() -> None:
    door = Door()
    for looks in (1, 2, 3):
        for _ in range(3):
            strangers = [signed({**HEADER, "kid": f"stranger-{number}"}, claims()) for number in range(20)]
            await asyncio.gather(*(door.stays_shut(token) for token in strangers))
            assert await door.opens(signed(HEADER, claims()))
        assert door.control.queried.count("KEYS") == looks
        door.clock.pass_time(30.1)


async def test_unknown_kids_cause_no_more_looks_where_control_is_down() -> None:
    door, stranger = Door(), signed({**HEADER, "kid": "stranger"}, claims())
    await door.opens(signed(HEADER, claims()))
    door.control.down = True
    for looks in (2, 3, 4):
        door.clock.pass_time(30.1)
        await asyncio.gather(*(door.stays_shut(stranger) for _ in range(20)))
        assert await door.opens(signed(HEADER, claims()))
        assert door.control.queried.count("KEYS") == looks


async def test_a_new_key_is_known_after_half_a_minute_at_the_latest() -> None:
    door, token = Door(), signed({**HEADER, "kid": THEIRS.kid}, claims(), THEIR_KEY)
    await door.stays_shut(token)
    door.control.documents["KEYS", THEIRS.kid] = THEIRS.public_jwk
    await door.stays_shut(token)
    door.clock.pass_time(30.1)
    assert await door.opens(token)


async def test_known_keys_outlive_control_by_five_minutes_and_no_more() -> None:
    door, token = Door(), signed(HEADER, claims())
    await door.opens(token)
    door.control.down = True
    door.clock.pass_time(300)
    assert await door.opens(token)
    door.clock.pass_time(0.1)
    for shown in (token, signed(HEADER, claims(jti="token-3"))):
        await door.stays_shut(shown, ServiceUnavailable)
    door.control.down = False
    door.clock.pass_time(5)
    assert await door.opens(token)


async def test_where_no_key_was_ever_read_it_is_control_that_is_to_blame() -> None:
    door = Door()
    door.control.down = True
    await door.stays_shut(signed(HEADER, claims()), ServiceUnavailable)


async def test_many_who_come_while_control_is_down_ask_it_once_together() -> None:
    door = Door()
    door.control.down = True
    await asyncio.gather(*(door.stays_shut(signed(HEADER, claims()), ServiceUnavailable) for _ in range(50)))
    assert door.control.calls <= 2


async def test_who_gives_up_waiting_for_the_keys_does_not_take_them_from_the_others() -> None:
    door, token = Door(), signed(HEADER, claims())
    first, second = (asyncio.create_task(door.opens(token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant == "acme"


PUBLIC = json.loads(OURS.public_jwk)
NO_KEYS: list[object] = [
    b"",
    b"{",
    b"[" * 5000,
    None,
    [],
    "text",
    1,
    {},
    [PUBLIC],
    {"keys": [PUBLIC]},
    {"kty": "EC"},
    {**PUBLIC, "kty": 1},
    {**PUBLIC, "kty": ["EC"]},
    {**PUBLIC, "alg": "none"},
    {**PUBLIC, "alg": ["ES256"]},
    {**PUBLIC, "alg": 1},
    {**PUBLIC, "alg": "HS256"},
    {**PUBLIC, "crv": "P-999"},
    {**PUBLIC, "crv": ["P-256"]},
    {**PUBLIC, "x": None},
    {**PUBLIC, "x": 1},
    {**PUBLIC, "x": "é"},
    {**PUBLIC, "x": PUBLIC["y"]},
    {**PUBLIC, "y": "AAAA"},
    {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
    {"kty": "oct", "k": "", "alg": "none"},
    RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
    ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True),
    ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True),
    {**PUBLIC, "use": "enc"},
    {**PUBLIC, "key_ops": ["sign"]},
    {**PUBLIC, "key_ops": 1},
]


@pytest.mark.parametrize("document", NO_KEYS, ids=range(len(NO_KEYS)))
async def test_a_document_that_is_no_key_of_ours_verifies_nothing_and_locks_nobody_out(document: object) -> None:
    door = Door()
    door.control.documents["KEYS", "broken"] = as_json(document).decode()
    assert await door.opens(signed(HEADER, claims()))
    assert door.faults == ["key_unreadable"]
    await door.stays_shut(signed({**HEADER, "kid": "broken"}, claims()))
    head = unsigned({**HEADER, "kid": "broken", "alg": "HS256"}, claims())
    secret = b"secretsecretsecretsecretsecret"
    await door.stays_shut(f"{head}.{url64(HMACAlgorithm(HMACAlgorithm.SHA256).sign(head.encode(), secret))}")


async def test_a_private_key_where_a_public_one_belongs_verifies_nothing() -> None:
    door = Door()
    door.control.documents["KEYS", "private"] = ECAlgorithm.to_jwk(OUR_KEY)
    await door.stays_shut(signed({**HEADER, "kid": "private"}, claims()))


def test_what_pyjwt_itself_would_take_is_not_what_these_tests_prove() -> None:
    """The tokens above are refused by us, not because they were built wrong: PyJWT takes those that it should."""
    token = signed(HEADER, claims())
    options: Any = {"verify_exp": False, "verify_iat": False}
    read = jwt.decode(token, OUR_KEY.public_key(), algorithms=["ES256"], audience="embedge", options=options)
    assert read == claims()
