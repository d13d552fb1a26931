"""What does a token grant that is known to be its issuer's? What it claims, as far as its issuer may say so.

A tenant that the issuer may not name is refused, and so is what is not of the form that a claim has. Scopes, tiers and
exemptions that it may not grant are dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from embedge.core.identity import TENANT
from embedge.core.issuer import TIERS, ClaimPath, Issuer
from embedge.core.request import Scope, ServiceTier
from embedge.errors import CredentialInvalid

_CLOCK_LEEWAY_S = 60
_MOST_MODELS = 100
_ABSENT = object()
# Clients tell a refused key from other errors by these words (litellm's exception mapping, read 2026-08).
REFUSED = "Incorrect API key provided"


@dataclass(frozen=True, slots=True)
class Granted:
    """Who a token is for, and what its bearer may do until it expires.

    `models` are lists of patterns, all of which must name a model. `token_id` is what a revocation names.
    """

    tenant: str
    scopes: frozenset[Scope]
    models: tuple[tuple[str, ...], ...]
    tier: ServiceTier
    exempt: bool
    token_id: str
    expires_s: float


def refused(why: str) -> CredentialInvalid:
    """Return the error that says why a token is not taken."""
    return CredentialInvalid(f"{REFUSED}: {why}. Ask your platform team for a token.")


def granted(claims: Mapping[str, object], issuer: Issuer, token_hash: str, now_s: float) -> Granted:
    """Return what these claims grant. Raises: CredentialInvalid.

    `token_hash` names a token that has no name (`jti`) of its own.
    """
    for name in ("nbf", "iat"):
        if _time(claims, name, 0) > now_s + _CLOCK_LEEWAY_S:
            raise refused(f"its claim '{name}' lies in the future")
    return Granted(
        tenant=_tenant(claims, issuer),
        scopes=_scopes(claims, issuer),
        models=(_models(claims, issuer), issuer.models),
        tier=_tier(claims, issuer),
        exempt=issuer.may_exempt and _found(claims, issuer.claims.exempt) is True,
        token_id=_token_id(claims, token_hash),
        expires_s=_time(claims, "exp"),
    )


def narrower_tier(one: ServiceTier, other: ServiceTier) -> ServiceTier:
    """Return the one that allows less."""
    return one if TIERS.index(one) <= TIERS.index(other) else other


def _found(claims: Mapping[str, object], path: ClaimPath) -> object:
    """Return what a claim says, _ABSENT where it is not there."""
    value: object = dict(claims)
    for name in path:
        value = _of(value).get(name, _ABSENT)
    return value


def _of(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _time(claims: Mapping[str, object], name: str, absent: float | None = None) -> float:
    value = claims.get(name, absent)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise refused(f"its claim '{name}' is not a number of seconds")
    return value


def _tenant(claims: Mapping[str, object], issuer: Issuer) -> str:
    said = _found(claims, issuer.claims.tenant)
    tenant = issuer.tenant_prefix + said if isinstance(said, str) and said else ""
    if not TENANT.fullmatch(tenant):
        name = ".".join(issuer.claims.tenant)
        raise refused(
            f"its claim '{name}' is not a tenant's name: 1 to 64 letters, digits, dots, dashes or underscores"
        )
    if not any(fnmatchcase(tenant, pattern) for pattern in issuer.tenants):
        raise refused("it names a tenant that its issuer may not speak for")
    return tenant


def _scopes(claims: Mapping[str, object], issuer: Issuer) -> frozenset[Scope]:
    """Return the scopes, which are words in one text (RFC 8693, section 4.2) or, as some issuers write them, a list."""
    said = _found(claims, issuer.claims.scope)
    if said is _ABSENT:
        return issuer.assumed_scopes & issuer.scopes
    names = said.split() if isinstance(said, str) else cast("list[object]", said) if isinstance(said, list) else []
    return frozenset(scope for scope in issuer.scopes if scope in names)


def _models(claims: Mapping[str, object], issuer: Issuer) -> tuple[str, ...]:
    """Return the patterns of the models that the token may name; all where it says nothing."""
    said = _found(claims, issuer.claims.models)
    if said is _ABSENT:
        return ("*",)
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) for name in cast("list[object]", names)):
        raise refused(f"its claim '{'.'.join(issuer.claims.models)}' is not a list of names")
    return tuple(cast("list[str]", names))[:_MOST_MODELS]


def _tier(claims: Mapping[str, object], issuer: Issuer) -> ServiceTier:
    """Return the tier that the token names, where its issuer may grant it; else the narrowest that it may."""
    said = _found(claims, issuer.claims.tier)
    grantable: list[ServiceTier] = [tier for tier in TIERS if tier in issuer.tiers] or [TIERS[0]]
    if said is _ABSENT:
        return grantable[-1]
    named: list[ServiceTier] = [tier for tier in grantable if tier == said]
    return (named or grantable)[0]


def _token_id(claims: Mapping[str, object], token_hash: str) -> str:
    """Return what a revocation names: the issuer's own name of the token where it is plain, else a hash."""
    said = claims.get("jti")
    return said if isinstance(said, str) and TENANT.fullmatch(said) else token_hash
