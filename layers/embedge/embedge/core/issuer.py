"""Who may say who a caller is, and how much of what it says is believed?"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from embedge.core.request import Scope, ServiceTier
from embedge.core.tenant_document import TenantDocument

Algorithm: TypeAlias = Literal["ES256", "ES384", "EdDSA", "RS256", "PS256", "HS256"]
ISSUERS = "ISSUERS"
# The name of the team's own keys among the issuers.
OWN = "own"
# From the narrowest.
TIERS: tuple[ServiceTier, ...] = ("flex", "default", "auto")


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The team's own keys: those under KEYS in Control."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """Keys that an issuer publishes at a URL; only one that is `private` may lie inside the team's network."""

    url: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """One secret that signs and verifies, by its reference."""

    reference: str


ClaimPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimPaths:
    """Under which names an issuer says what, from the outermost."""

    tenant: ClaimPath = ("tenant",)
    scope: ClaimPath = ("scope",)
    models: ClaimPath = ("models",)
    tier: ClaimPath = ("tier",)
    exempt: ClaimPath = ("exempt",)


@dataclass(frozen=True, slots=True)
class Newcomers:
    """How many tenants that no operator has named an issuer may bring, of which none can be told from another."""

    a_day: int
    ever: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """One that is believed, and how far.

    Its tenants are named `tenant_prefix` and what the claim says, and match one of the patterns `tenants`. What it may
    not grant is dropped. `limits` are those of its tenants that no operator has given others. `version` changes with
    anything that is said of it here.
    """

    name: str
    issuer: str
    audiences: tuple[str, ...]
    keys: OwnKeys | PublishedKeys | SharedSecret
    algorithms: frozenset[Algorithm]
    claims: ClaimPaths = field(default_factory=ClaimPaths)
    tenant_prefix: str = ""
    tenants: tuple[str, ...] = ("*",)
    scopes: frozenset[Scope] = frozenset()
    assumed_scopes: frozenset[Scope] = frozenset()
    models: tuple[str, ...] = ("*",)
    tiers: frozenset[ServiceTier] = frozenset(TIERS)
    may_exempt: bool = False
    newcomers: Newcomers | None = None
    limits: TenantDocument = field(default_factory=TenantDocument)
    version: str = ""


def own_issuer(issuer: str, audience: str) -> Issuer:
    """Return what is believed of the team's own tokens: everything, since only operators can make them."""
    scopes: frozenset[Scope] = frozenset({"embeddings", "models", "usage", "admin"})
    algorithms: frozenset[Algorithm] = frozenset({"ES256", "EdDSA"})
    return Issuer(OWN, issuer, (audience,), OwnKeys(), algorithms, scopes=scopes, may_exempt=True)
