"""Is this document a route? What operators write, and the route that it means.

```json
{"alias": "text-embedding-3-small",
 "space": {"model": "text-embedding-3-small", "revision": "2024-01-25", "dimensions": 1536},
 "max_input_tokens": 8192, "tokenizer": {"family": "cl100k"}, "reducible": true, "token_inputs": "native",
 "targets": [{"id": "openai", "provider": "openai", "transport": "https",
              "endpoint": "https://api.openai.com/v1", "secret": "secretsmanager:embedge/openai",
              "price_usd_per_million_tokens": "0.02"}]}
```
"""

from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from embedge.core.address import leads_inside
from embedge.core.route import (
    MAX_DIMENSIONS,
    CallLimits,
    KeyHeader,
    ProviderName,
    Route,
    Space,
    Target,
    TokenInputs,
    Tokenizer,
    TokenizerFamily,
    TransportName,
)
from embedge.core.wire_formats import WIRE_FORMATS, misfits
from embedge.errors import InvalidValue

_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_Seconds = Annotated[float, Field(gt=0, le=900)]
_NANO = 10**9


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Space(_Document):
    model: _Name
    revision: _Name
    dimensions: Annotated[int, Field(ge=1, le=MAX_DIMENSIONS)]
    normalised: bool = True
    prompt: Annotated[str, Field(max_length=2000)] = ""
    input_type: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_.]*$")] = ""


class _Tokenizer(_Document):
    family: TokenizerFamily
    file: str | None = None

    @model_validator(mode="after")
    def _one_vocabulary(self) -> "_Tokenizer":
        if self.family == "cl100k" and self.file is not None:
            raise ValueError("tokenizer: cl100k is one vocabulary, and it takes no file")
        return self


class _Limits(_Document):
    # OpenAI's own limits (API reference, read 2026-08), or the wire format's; a self-hosted server's are smaller.
    inputs: Annotated[int, Field(ge=1, le=2048)] | None = None
    tokens: Annotated[int, Field(ge=1)] = 300_000
    body_bytes: Annotated[int, Field(ge=1)] = 4_000_000
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8

    def of(self, provider: ProviderName) -> CallLimits:
        return CallLimits(
            inputs=self.inputs or WIRE_FORMATS[provider].inputs,
            tokens=self.tokens,
            body_bytes=self.body_bytes,
            concurrency=self.concurrency,
        )


class _Target(_Document):
    id: _Name
    provider: ProviderName
    transport: TransportName
    endpoint: _Name
    model: _Name | None = None
    secret: Annotated[str, Field(pattern=r"^(env|secretsmanager|ssm):[A-Za-z0-9/_+=.@-]+$")] | None = None
    price_usd_per_million_tokens: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=9)]
    limits: _Limits = _Limits()
    priority: int = 0
    connect_timeout_s: _Seconds = 2.0
    read_timeout_s: _Seconds = 20.0
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    key_header: KeyHeader = "authorization"
    private: bool = False
    http2: bool = False
    inference_component: _Name | None = None
    target_variant: _Name | None = None
    reload: Annotated[str, Field(max_length=200, pattern=r"^/[\x21-\x7e]*$")] | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "_Target":
        if self.transport == "https" and (wrong := _wrong_url(self.endpoint, private=self.private)):
            raise ValueError(f"endpoint: {wrong}")
        return self

    def target(self, model: str) -> Target:
        return Target(
            id=self.id,
            provider=self.provider,
            transport=self.transport,
            endpoint=self.endpoint.rstrip("/"),
            model=self.model or model,
            secret=self.secret,
            price_nano_usd_per_million_tokens=int(self.price_usd_per_million_tokens * _NANO),
            limits=self.limits.of(self.provider),
            priority=self.priority,
            connect_timeout_s=self.connect_timeout_s,
            read_timeout_s=self.read_timeout_s,
            weight=self.weight,
            key_header=self.key_header,
            private=self.private,
            http2=self.http2,
            inference_component=self.inference_component,
            target_variant=self.target_variant,
            reload=self.reload,
        )


class _Route(_Document):
    alias: _Name
    names: tuple[_Name, ...] = ()
    space: _Space
    targets: Annotated[tuple[_Target, ...], Field(max_length=8)] = ()
    max_input_tokens: Annotated[int, Field(ge=1, le=10_000_000)]
    tokenizer: _Tokenizer | None = None
    token_inputs: TokenInputs = "refused"
    reducible: bool = False
    shared: bool = False
    ttl_s: Annotated[int, Field(ge=60, le=3650 * 86_400)] = 30 * 86_400
    owned_by: _Name = "embedge"
    created_s: Annotated[int, Field(ge=0, le=2**53)] = 0
    embeds: bool = True
    hedged: bool = False
    # Where its dimensions, limits and prices stand, and when they were read; for people.
    sources: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = ()

    @model_validator(mode="after")
    def _one_id_each(self) -> "_Route":
        if len({target.id for target in self.targets}) < len(self.targets):
            raise ValueError("targets: each needs an id of its own")
        if self.embeds and not self.targets:
            raise ValueError("targets: a model that embeds needs at least one")
        return self


def _wrong_url(url: str, *, private: bool) -> str | None:
    """Say what is wrong with an endpoint's URL, if anything is."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            return "a URL such as https://api.openai.com/v1 is needed"
    except ValueError:
        return "this is not a URL"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "no user, password or fragment may stand in it; a key is named by `secret`"
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        return "it must be https, or http for a target that says `private: true`"
    if leads_inside(url) and not private:
        return "it leads inside; a target that is meant to says `private: true`"
    return None


def parse_route(document: str | bytes) -> Route:
    """Read a JSON document. Raises: InvalidValue, whose message names each field that is wrong."""
    try:
        read = _Route.model_validate_json(document)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors())
        raise InvalidValue(f"This is not a route: {wrong}") from error
    targets = sorted((target.target(read.space.model) for target in read.targets), key=lambda target: target.priority)
    route = Route(
        alias=read.alias,
        names=read.names,
        space=Space(**read.space.model_dump()),
        targets=tuple(targets),
        max_input_tokens=read.max_input_tokens,
        tokenizer=Tokenizer(**read.tokenizer.model_dump()) if read.tokenizer else None,
        token_inputs=read.token_inputs,
        reducible=read.reducible,
        shared=read.shared,
        ttl_s=read.ttl_s,
        owned_by=read.owned_by,
        created_s=read.created_s,
        embeds=read.embeds,
        hedged=read.hedged,
    )
    if wrong := "; ".join(misfits(route)):
        raise InvalidValue(f"This is not a route: {wrong}")
    return route
