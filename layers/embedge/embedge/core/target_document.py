"""What do operators write of one target of a route, and which target does it mean?"""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from embedge.core.route import CallLimits, KeyHeader, ProviderName, Target, TransportName
from embedge.core.wire_formats import WIRE_FORMATS

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
# In dollars a million tokens, to the nano-dollar.
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=9)]
_Seconds = Annotated[float, Field(gt=0, le=900)]
_NANO = 10**9


class Strict(BaseModel):
    """A part of a route's document: what it does not know, or would have to convert, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Limits(Strict):
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


class TargetDocument(Strict):
    """A target, as operators write it."""

    id: Name
    provider: ProviderName
    transport: TransportName
    endpoint: Name
    model: Name | None = None
    secret: Annotated[str, Field(pattern=r"^(env|secretsmanager|ssm):[A-Za-z0-9/_+=.@-]+$")] | None = None
    price_usd_per_million_tokens: Price
    limits: _Limits = _Limits()
    priority: int = 0
    connect_timeout_s: _Seconds = 2.0
    read_timeout_s: _Seconds = 20.0
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    key_header: KeyHeader = "authorization"
    private: bool = False
    http2: bool = False
    inference_component: Name | None = None
    target_variant: Name | None = None
    reload: Annotated[str, Field(max_length=200, pattern=r"^/[\x21-\x7e]*$")] | None = None
    disabled: Annotated[str, Field(min_length=1, max_length=300)] | None = None

    @field_serializer("price_usd_per_million_tokens")
    def _plainly(self, price: Decimal) -> str:
        return format(price.normalize(), "f")

    def target(self, model: str) -> Target:
        """Return what it means on a route to this model."""
        return Target(
            id=self.id,
            provider=self.provider,
            transport=self.transport,
            endpoint=self.endpoint.rstrip("/"),
            model=self.model or model,
            secret=self.secret,
            price_nano_usd_per_million_tokens=nano_usd(self.price_usd_per_million_tokens),
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


def nano_usd(price: Decimal) -> int:
    """Return a price in the code's own unit."""
    return int(price * _NANO)
