"""Is this token ours? Verified in this process, against the team's own public keys.

The algorithm is the key's, never the token's; `kid` only looks up a key among the issuer's own. Remembered tokens are
void when they expire, or when their key leaves the key set.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, get_args

import jwt
from jwt.exceptions import InvalidTokenError

from embedge.adapters.keys_control import KeySet, PublicKey
from embedge.core.identity import ALGORITHM, LONGEST_TOKEN, TENANT
from embedge.core.request import Limits, Principal, Scope
from embedge.errors import CredentialExpired, CredentialInvalid, CredentialMissing
from embedge.ports import Clock

_MOST_REMEMBERED = 10_000
_CLOCK_LEEWAY_S = 60
_REFUSED_HEADERS = frozenset({"jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"})
_SCOPES = frozenset(get_args(Scope))
# Clients tell a refused key from other errors by these words (litellm's exception mapping, read 2026-08).
_REFUSED = "Incorrect API key provided"


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    expires_s: float
    key: PublicKey


class JwtAuthenticator:
    """The Authenticator port on JSON Web Tokens of one issuer."""

    def __init__(self, keys: KeySet, clock: Clock, issuer: str, audience: str, limits: Limits) -> None:
        """Take the issuer's keys, the names a token must carry, and the limits of a tenant that has none of its own."""
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._limits = limits
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def verify(self, credential: str | None) -> Principal:
        """Return whom the token proves. Raises: AuthenticationFailed, ServiceUnavailable."""
        token = _bearer(credential)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        if known is None or await self._keys.get(known.key.kid) != known.key:
            self._remembered.pop(digest, None)
            known = await self._verified(token)
            self._remembered[digest] = known
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        if known.expires_s <= self._clock.now_s():
            raise CredentialExpired(f"{_REFUSED}: it has expired. Ask whoever issued it for a new one.")
        return known.principal

    async def _verified(self, token: str) -> _Remembered:
        try:
            header = jwt.get_unverified_header(token)
        except InvalidTokenError as error:
            raise _refused("it is not a JSON Web Token") from error
        if _REFUSED_HEADERS & header.keys() or header.get("alg") != ALGORITHM:
            raise _refused(f"it is not signed with {ALGORITHM}, or its header brings a key of its own")
        kid = header.get("kid")
        key = await self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise _refused("it was not signed with a key of this deployment")
        claims = self._claims(token, key)
        return _Remembered(self._principal(claims), _expiry_s(claims), key)

    def _claims(self, token: str, key: PublicKey) -> Mapping[str, object]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                # Times are held against our own clock port, below and in verify.
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except InvalidTokenError as error:
            raise _refused("its signature, issuer or audience is not the right one") from error

    def _principal(self, claims: Mapping[str, object]) -> Principal:
        for name in ("nbf", "iat"):
            since = claims.get(name, 0)
            if not _is_time(since) or cast("float", since) > self._clock.now_s() + _CLOCK_LEEWAY_S:
                raise _refused(f"its claim '{name}' is not a number of seconds, or lies in the future")
        tenant = claims.get("tenant")
        if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
            raise _refused("its claim 'tenant' is not 1 to 64 letters, digits, dots, dashes or underscores")
        return Principal(tenant, _scopes(claims), _models(claims), self._limits)


def _bearer(credential: str | None) -> str:
    scheme, _, token = (credential or "").strip().partition(" ")
    token = token.strip()
    if not scheme:
        raise CredentialMissing(
            "You didn't provide an API key. Send your token in the Authorization header: 'Authorization: Bearer TOKEN'."
        )
    if scheme.lower() != "bearer" or not token:
        raise _refused("the Authorization header is not 'Bearer TOKEN'")
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise _refused(f"it is not a JSON Web Token of at most {LONGEST_TOKEN} characters")
    return token


def _refused(why: str) -> CredentialInvalid:
    return CredentialInvalid(f"{_REFUSED}: {why}. Ask your platform team for a token.")


def _expiry_s(claims: Mapping[str, object]) -> float:
    expires = claims["exp"]
    if not _is_time(expires):
        raise _refused("its claim 'exp' is not a number of seconds")
    return cast("float", expires)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53


def _scopes(claims: Mapping[str, object]) -> frozenset[Scope]:
    scope = claims.get("scope", "")
    granted = scope.split() if isinstance(scope, str) else []
    return frozenset(cast("Scope", name) for name in granted if name in _SCOPES)


def _models(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Return the patterns of the models that the token may name; all where it says nothing."""
    models = claims.get("models", ["*"])
    named = [models] if isinstance(models, str) else models
    if not isinstance(named, list) or not all(isinstance(name, str) for name in cast("list[object]", named)):
        raise _refused("its claim 'models' is not a list of names")
    return tuple(cast("list[str]", named))
