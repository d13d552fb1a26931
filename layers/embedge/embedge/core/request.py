"""What does a caller ask for, and who is the caller?"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from embedge.core.gcra import RateState, Tier

Encoding: TypeAlias = Literal["float", "base64"]
ServiceTier: TypeAlias = Literal["auto", "default", "flex"]
# What a spent budget is answered with: a 429 as OpenAI does, or a 402, which nobody takes for a rate limit.
BudgetSpentStatus: TypeAlias = Literal[429, 402]
Scope: TypeAlias = Literal["embeddings", "models", "usage", "admin"]

MAX_INPUTS = 2048
MAX_REQUEST_TOKENS = 300_000
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_ATTRIBUTION_CHARACTERS = 128
LARGEST_TOKEN_ID = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Tokens:
    """One input as token ids, in the order of the text; each fits 32 bits."""

    ids: tuple[int, ...]

    def identity(self) -> bytes:
        """Return the bytes that make this input this input: each id as four bytes, little-endian."""
        return struct.pack(f"<{len(self.ids)}I", *self.ids)


# A text, embedded exactly as sent, or token ids.
Input: TypeAlias = str | Tokens


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """The body of `POST /v1/embeddings`, read and checked. `inputs` keep their order and their duplicates."""

    model: str
    inputs: tuple[Input, ...]
    encoding_format: Encoding = "float"
    dimensions: int | None = None
    user: str | None = None
    service_tier: ServiceTier | None = None


@dataclass(frozen=True, slots=True)
class ModelRate:
    """What a tenant may ask of the models that a shell pattern names, beside its own rates; None adds no bound."""

    pattern: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant may use. Money in nano-dollars; `NO_LIMIT` where a period does not bind.

    `version` is that of the tenant's own document, and rises with each change; 0 are the deployment's defaults. The
    rates a minute are guaranteed; `over_limit_percent` of them more may be served as `over-limit`. Who is `watched` has
    alarms, and so metrics, of its own.
    """

    requests_per_minute: int
    tokens_per_minute: int
    day_nano_usd: int
    month_nano_usd: int
    total_nano_usd: int
    version: int = 0
    models: tuple[ModelRate, ...] = ()
    over_limit_percent: int = 0
    watched: bool = False


NO_LIMIT = 10**18


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as a verified token says: a tenant, what it may do, and which models (shell patterns) it may name.

    `narrower_models` are further lists: a model must be in each of them too. `tier` is how a request is served that
    does not say, or says `auto`. Who is `exempt` is bound by
    no rate, and by every budget. `issuer` and `token_id` are what a revocation names.
    """

    tenant: str
    scopes: frozenset[Scope]
    models: tuple[str, ...]
    limits: Limits
    exempt: bool = False
    narrower_models: tuple[tuple[str, ...], ...] = ()
    tier: ServiceTier = "auto"
    issuer: str = ""
    token_id: str = ""


class Admission(NamedTuple):
    """A request may come: in which tier, and what is left of the rates that bind it, where any do."""

    tier: Tier
    rates: tuple[RateState, ...]


@dataclass(slots=True)
class Observation:
    """What one invocation came to, filled in along the way; what was never reached keeps its default."""

    tenant: str = ""
    bot: str = "default"
    project: str = ""
    user: str = ""
    model: str = "unresolved"
    provider: str = "none"
    inputs: int = 0
    hits: int = 0
    misses: int = 0
    joined: int = 0  # of the misses: fetched by another request, at no cost
    duplicates: int = 0
    tokens_served: int = 0
    tokens_billed: int = 0
    miscounted_calls: int = 0
    cost_nano_usd: int = 0
    saved_nano_usd: int = 0
    cache_spent_nano_usd: int = 0
    recheck_nano_usd: int = 0  # what it cost to embed a hit again: the operator's, in nobody's budget
    # The day under which it was added up, UTC; empty where it was not: then its line is no record of usage.
    usage_day: str = ""
    watched: bool = False
    rates: tuple[RateState, ...] = ()
    tier: Tier = "default"


class Call(NamedTuple):
    """One request before anything is known of it.

    `credential` is the Authorization header as it came. `read` parses the body and raises InvalidRequest or NotServed;
    it is called only for a caller that is known. `deadline_s` is on the event loop's clock.
    """

    credential: str | None
    read: Callable[[], EmbeddingRequest]
    deadline_s: float
    observation: Observation
