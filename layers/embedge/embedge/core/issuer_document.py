"""Is this document an issuer? What operators write of who else may sign tokens, and how far that is believed.

```json
{"issuer": "https://acme.okta.com/oauth2/default", "audiences": ["api://embeddings"],
 "jwks_url": "https://acme.okta.com/oauth2/default/v1/keys", "claims": {"tenant": "team", "scope": "scp"},
 "scopes": ["embeddings", "models"], "new_tenants_a_day": 20, "limits": {"budget_usd": {"day": "2"}}}
```
Of one that does not say more, a tenant is called by the issuer's own name, a dot, and what the claim says; it grants
neither `admin` nor an exemption from rates, and brings at most 100 new tenants a day and 1,000 in all.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedge.core.address import wrong_url
from embedge.core.issuer import (
    OWN,
    TIERS,
    Algorithm,
    ClaimPath,
    ClaimPaths,
    Issuer,
    Newcomers,
    OwnKeys,
    PublishedKeys,
    SharedSecret,
)
from embedge.core.request import NO_LIMIT, Scope, ServiceTier
from embedge.core.tenant_document import LimitsRead
from embedge.errors import InvalidValue

_Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]
_Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
_Claim: TypeAlias = _Text | Annotated[tuple[_Text, ...], Field(min_length=1, max_length=8)]
_Asymmetric: TypeAlias = Literal["ES256", "ES384", "EdDSA", "RS256", "PS256"]
_Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)] | Literal["none"]
_SECRET = r"^(env|secretsmanager|ssm):[A-Za-z0-9/_+=.@-]+$"


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class _Claims(_Read):
    tenant: _Claim = "tenant"
    scope: _Claim = "scope"
    models: _Claim = "models"
    tier: _Claim = "tier"
    exempt: _Claim = "exempt"

    def paths(self) -> ClaimPaths:
        said = (self.tenant, self.scope, self.models, self.tier, self.exempt)
        return ClaimPaths(*map(_path, said))


class _Issuer(_Read):
    issuer: _Text
    audiences: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=10)]
    jwks_url: _Text | None = None
    private: bool = False
    own_keys: Literal[True] | None = None
    secret: Annotated[str, Field(pattern=_SECRET)] | None = None
    algorithms: Annotated[tuple[_Asymmetric, ...], Field(min_length=1)] | None = None
    claims: _Claims = _Claims()
    tenant_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,40}$")] | None = None
    tenants: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=100)] | None = None
    scopes: tuple[Scope, ...] = ("embeddings", "models", "usage")
    assumed_scopes: tuple[Scope, ...] = ()
    models: Annotated[tuple[_Text, ...], Field(max_length=100)] = ("*",)
    tiers: Annotated[tuple[ServiceTier, ...], Field(min_length=1)] = TIERS
    may_exempt: bool = False
    new_tenants_a_day: _Count = 100
    new_tenants_ever: _Count = 1_000
    limits: LimitsRead = LimitsRead()

    def problems(self) -> Iterator[str]:
        """Say what is wrong between fields that are right by themselves."""
        if sum(keys is not None for keys in (self.jwks_url, self.own_keys, self.secret)) != 1:
            yield "jwks_url: exactly one of jwks_url, own_keys and secret says how its tokens are verified"
        if self.jwks_url is not None and (wrong := wrong_url(self.jwks_url, private=self.private)):
            yield f"jwks_url: {wrong}"
        elif self.jwks_url is not None and not self.jwks_url.startswith("https://"):
            yield "jwks_url: it must be https, also of an issuer that is private"
        if self.secret is not None and self.algorithms is not None:
            yield "algorithms: a secret has one, HS256"
        if self.tenant_prefix == "" and self.tenants is None:
            yield "tenants: an issuer whose tenants have no prefix lists those that it may speak for, such as acme-*"
        if not set(self.assumed_scopes) <= set(self.scopes):
            yield "assumed_scopes: it may assume only what it may grant"

    def keys(self) -> OwnKeys | PublishedKeys | SharedSecret:
        if self.jwks_url is not None:
            return PublishedKeys(self.jwks_url, self.private)
        return OwnKeys() if self.secret is None else SharedSecret(self.secret)

    def verified_with(self) -> frozenset[Algorithm]:
        if self.secret is not None:
            return frozenset({"HS256"})
        return frozenset(self.algorithms or ("ES256", "ES384", "EdDSA", "RS256", "PS256"))


def issuer_text(name: str, document: str) -> str:
    """Return a document in its normal form, JSON of what it says beyond the defaults. Raises: InvalidValue."""
    read = _read(name, document)
    return read.model_dump_json(exclude_defaults=True)


def parse_issuer(name: str, document: str) -> Issuer:
    """Read the document of an issuer. Raises: InvalidValue, whose message names each field that is wrong."""
    read = _read(name, document)
    prefix = f"{name}." if read.tenant_prefix is None else read.tenant_prefix
    return Issuer(
        name=name,
        issuer=read.issuer,
        audiences=read.audiences,
        keys=read.keys(),
        algorithms=read.verified_with(),
        claims=read.claims.paths(),
        tenant_prefix=prefix,
        tenants=read.tenants or ("*",),
        scopes=frozenset(read.scopes),
        assumed_scopes=frozenset(read.assumed_scopes),
        models=read.models,
        tiers=frozenset(read.tiers),
        may_exempt=read.may_exempt,
        newcomers=Newcomers(_most(read.new_tenants_a_day), _most(read.new_tenants_ever)),
        limits=replace(read.limits.document()),
        version=hashlib.sha256(json.dumps([name, document]).encode()).hexdigest(),
    )


def _read(name: str, document: str) -> _Issuer:
    try:
        _Named.model_validate({"name": name})
        read = _Issuer.model_validate_json(document)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, found['loc'])) or 'document'}: {found['msg']}" for found in error.errors()]
    else:
        wrong = [*read.problems()]
        if name == OWN:
            wrong.append(f"name: {OWN} are the team's own keys")
        if not wrong:
            return read
    raise InvalidValue(f"This is not an issuer: {'; '.join(wrong)}")


class _Named(_Read):
    name: _Name


def _path(claim: str | tuple[str, ...]) -> ClaimPath:
    return (claim,) if isinstance(claim, str) else claim


def _most(count: int | Literal["none"]) -> int:
    return NO_LIMIT if count == "none" else count
