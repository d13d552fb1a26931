"""What do operators say of a tenant? Its limits, and who has blocked it; JSON documents under `TENANT#name` in Control.

```json
{"version": 3, "budget_usd": {"month": "50", "day": "5", "total": "none"}, "requests_per_minute": 600,
 "tokens_per_minute": 1000000, "model_rates": {"voyage-*": {"requests_per_minute": 60}}, "models": ["text-*"],
 "tier": "flex", "over_limit_percent": 50, "alarm": true}
```
What a document does not say is the deployment's default; `none` is no limit. `version` only rises.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embedge.core.request import NO_LIMIT, Limits, ModelRate, ServiceTier
from embedge.errors import InvalidValue

# No tenant's name has a star: what is said of this one holds for the whole deployment.
EVERYBODY = "*"
CONF = "CONF"
# Every tenant that something was said of, so that they can be listed.
TENANTS = "TENANTS"
_BLOCK = "BLOCK#"
_NANO = 10**9
_MOST_USD = NO_LIMIT // _NANO - 1


def partition_of(tenant: str) -> str:
    """Return where in Control a tenant's documents are."""
    return f"TENANT#{tenant}"


def block_of(source: str) -> str:
    """Return the sort key of what one source says: `operator`, or `guard#` and the name of an alarm."""
    return _BLOCK + source


_None: TypeAlias = Literal["none"]
_PerMinute: TypeAlias = Annotated[int, Field(ge=1, le=10**12)]
_Usd: TypeAlias = Annotated[Decimal, Field(ge=0, le=_MOST_USD, decimal_places=9)]
_Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class _Budgets(_Read):
    day: _Usd | _None | None = None
    month: _Usd | _None | None = None
    total: _Usd | _None | None = None


class _ModelRate(_Read):
    requests_per_minute: _PerMinute | None = None
    tokens_per_minute: _PerMinute | None = None


class LimitsRead(_Read):
    """What may be said of limits, in a tenant's document or in another one."""

    budget_usd: _Budgets = _Budgets()
    requests_per_minute: _PerMinute | _None | None = None
    tokens_per_minute: _PerMinute | _None | None = None

    def document(self) -> "TenantDocument":
        """Return it as a document that says nothing else."""
        return TenantDocument(
            day_nano_usd=_nano(self.budget_usd.day),
            month_nano_usd=_nano(self.budget_usd.month),
            total_nano_usd=_nano(self.budget_usd.total),
            requests_per_minute=_limit(self.requests_per_minute),
            tokens_per_minute=_limit(self.tokens_per_minute),
        )


class _Tenant(LimitsRead):
    version: Annotated[int, Field(ge=1, lt=2**53)]
    model_rates: Annotated[dict[_Pattern, _ModelRate], Field(max_length=20)] = {}
    models: Annotated[tuple[_Pattern, ...], Field(max_length=100)] = ("*",)
    tier: ServiceTier = "auto"
    over_limit_percent: Annotated[int, Field(ge=0, le=1000)] = 0
    alarm: bool = False


class _BlockRead(_Read):
    blocked: bool
    at_s: Annotated[float, Field(ge=0, lt=2**53, allow_inf_nan=False)]
    reason: Annotated[str, Field(max_length=300)] = ""


@dataclass(frozen=True, slots=True)
class TenantDocument:
    """What is said of a tenant: None where it is the deployment's default, NO_LIMIT where nothing binds.

    `models` are shell patterns. `tier` is how a request is served that does not say, or says `auto`.
    """

    version: int = 0
    day_nano_usd: int | None = None
    month_nano_usd: int | None = None
    total_nano_usd: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    model_rates: tuple[ModelRate, ...] = ()
    models: tuple[str, ...] = ("*",)
    tier: ServiceTier = "auto"
    over_limit_percent: int = 0
    alarm: bool = False

    def limits(self, defaults: Limits) -> Limits:
        """Return what the tenant may use."""
        return _limits(self, defaults)

    def text(self) -> str:
        """Return the document as it is kept: JSON of what it says, and nothing else."""
        budgets = {"day": self.day_nano_usd, "month": self.month_nano_usd, "total": self.total_nano_usd}
        document = {
            "version": self.version,
            "budget_usd": {period: _usd(nano) for period, nano in budgets.items() if nano is not None} or None,
            "requests_per_minute": _rate(self.requests_per_minute),
            "tokens_per_minute": _rate(self.tokens_per_minute),
            "model_rates": {rate.pattern: _model_rate(rate) for rate in self.model_rates} or None,
            "models": None if self.models == ("*",) else list(self.models),
            "tier": None if self.tier == "auto" else self.tier,
            "over_limit_percent": self.over_limit_percent or None,
            "alarm": self.alarm or None,
        }
        return json.dumps({name: value for name, value in document.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Block:
    """What one source has said last: whether the tenant is to be stopped, as of `at_s`, and why."""

    blocked: bool
    at_s: float
    reason: str = ""

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps({"blocked": self.blocked, "at_s": self.at_s, "reason": self.reason[:300]})


# What cannot be read may have been a block.
_UNREADABLE = Block(blocked=True, at_s=0, reason="what is kept of it cannot be read")


@lru_cache(maxsize=1024)  # each request asks twice
def _limits(document: TenantDocument, defaults: Limits) -> Limits:
    said = {
        "day_nano_usd": document.day_nano_usd,
        "month_nano_usd": document.month_nano_usd,
        "total_nano_usd": document.total_nano_usd,
        "requests_per_minute": document.requests_per_minute,
        "tokens_per_minute": document.tokens_per_minute,
    }
    bounds = {name: limit for name, limit in said.items() if limit is not None}
    room = document.over_limit_percent or defaults.over_limit_percent
    room_and_rates = {"models": document.model_rates, "over_limit_percent": room}
    return replace(defaults, **bounds, **room_and_rates, version=document.version, watched=document.alarm)


@lru_cache(maxsize=1024)
def parse_tenant(document: str) -> TenantDocument:
    """Read a tenant's document. Raises: InvalidValue, whose message names each field that is wrong."""
    try:
        read = _Tenant.model_validate_json(document)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise InvalidValue(f"This says nothing of a tenant that can be understood: {'; '.join(wrong)}") from error
    return replace(
        read.document(),
        version=read.version,
        model_rates=tuple(
            ModelRate(pattern, rate.requests_per_minute, rate.tokens_per_minute)
            for pattern, rate in read.model_rates.items()
        ),
        models=read.models,
        tier=read.tier,
        over_limit_percent=read.over_limit_percent,
        alarm=read.alarm,
    )


@lru_cache(maxsize=1024)
def parse_block(document: str) -> Block:
    """Read what one source says; what cannot be read blocks."""
    try:
        read = _BlockRead.model_validate_json(document)
    except ValidationError:
        return _UNREADABLE
    return Block(blocked=read.blocked, at_s=read.at_s, reason=read.reason)


def blocks_in(documents: Mapping[str, str]) -> dict[str, Block]:
    """Return what each source says, of a tenant's documents by their sort keys."""
    return {name.removeprefix(_BLOCK): parse_block(text) for name, text in documents.items() if name.startswith(_BLOCK)}


def is_blocked(blocks: Mapping[str, Block]) -> bool:
    """Tell whether any source has stopped the tenant of which they say these things."""
    return any(block.blocked for block in blocks.values())


def _nano(usd: Decimal | _None | None) -> int | None:
    return NO_LIMIT if usd == "none" else None if usd is None else int(usd * _NANO)


def _limit(rate: int | _None | None) -> int | None:
    return NO_LIMIT if rate == "none" else rate


def _usd(nano_usd: int) -> str:
    return "none" if nano_usd >= NO_LIMIT else format((Decimal(nano_usd) / _NANO).normalize(), "f")


def _rate(rate: int | None) -> int | str | None:
    return "none" if rate is not None and rate >= NO_LIMIT else rate


def _model_rate(rate: ModelRate) -> dict[str, int]:
    said = {"requests_per_minute": rate.requests_per_minute, "tokens_per_minute": rate.tokens_per_minute}
    return {name: per_minute for name, per_minute in said.items() if per_minute is not None}
