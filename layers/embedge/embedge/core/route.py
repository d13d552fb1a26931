"""What is a route: one vector space, and the targets that serve it?"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ProviderName: TypeAlias = Literal["openai", "tei", "titan", "cohere", "voyage", "jina"]
TransportName: TypeAlias = Literal["https", "sagemaker", "bedrock"]
KeyHeader: TypeAlias = Literal["authorization", "api-key"]
TokenizerFamily: TypeAlias = Literal["cl100k", "byte_bpe", "bert"]
# Token ids go to the model as they are, or are refused, or are cl100k's and are decoded to their text first.
TokenInputs: TypeAlias = Literal["native", "refused", "cl100k"]
# Of a vector: float32; the same packed, where that makes an item cheaper to write; float16, rounded, and packed too.
Storage: TypeAlias = Literal["f32", "f32z", "f16"]
# Which answers the cache keeps: all; those that are worth it; those that are asked for a second time; none.
Admit: TypeAlias = Literal["always", "economic", "second_sight", "never"]

MAX_DIMENSIONS = 65_535


@dataclass(frozen=True, slots=True)
class Space:
    """All that decides where a text lies; vectors of two spaces never mix. Each field is part of the cache key.

    `prompt` is put before every text; `input_type` is the provider's own word for what texts are for. `storage` rounds
    or does not: `f32z` is the same vector as `f32`, under the same key.
    """

    model: str
    revision: str
    dimensions: int
    normalised: bool
    prompt: str = ""
    input_type: str = ""
    storage: Storage = "f32"


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call to a target may carry, and how many may be under way at once."""

    inputs: int
    tokens: int
    body_bytes: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Target:
    """One place that serves the space of its route.

    `endpoint` is a base URL for `https` (a query, such as Azure's `api-version`, stays at its end), an endpoint's name
    for `sagemaker` and a model's id for `bedrock`; `secret` is a reference (`env:NAME`, `secretsmanager:NAME`,
    `ssm:NAME`), never a secret, and goes into `key_header`. Lower `priority` goes first; those of equal priority share
    the calls by `weight`. Only a `private` target may have an address inside a network of the team's own. `http2`
    offers that to the server. `reload` is the path of a call that makes a server which forgot its model load it again.
    """

    id: str
    provider: ProviderName
    transport: TransportName
    endpoint: str
    model: str
    secret: str | None
    price_nano_usd_per_million_tokens: int
    limits: CallLimits
    priority: int
    connect_timeout_s: float
    read_timeout_s: float
    weight: int = 1
    key_header: KeyHeader = "authorization"
    private: bool = False
    http2: bool = False
    inference_component: str | None = None
    target_variant: str | None = None
    reload: str | None = None


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How a model counts: its family bounds any text, and cl100k counts exactly, as any other does by its `file`."""

    family: TokenizerFamily
    file: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """That the targets with this fingerprint were compared, and when; or that an operator `forced` them unseen."""

    fingerprint: str
    at: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """What a model's name leads to. `alias` is its first name; `names` are others that lead here too.

    `targets` are those that serve: one that is taken out of service (`disabled` in its document) is not among them.

    A model that does not embed (`embeds`) is known, and refused as such. Of a `hedged` route, a call that takes longer
    than most is sent a second time, and the first answer counts. With a `stampede_lease`, processes that miss the same
    few texts at once let one of them fetch, and wait for it. With `first_writer`, all who miss a text at the same time
    answer with the vector that the cache keeps first, where it keeps one. `admit` says which answers it keeps, and
    `value_nano_usd_per_million_tokens` what a hit is worth, where that is not the first target's price.
    """

    alias: str
    names: tuple[str, ...]
    space: Space
    targets: tuple[Target, ...]
    max_input_tokens: int
    tokenizer: Tokenizer | None
    token_inputs: TokenInputs
    reducible: bool
    shared: bool
    ttl_s: int
    owned_by: str
    created_s: int
    embeds: bool = True
    hedged: bool = False
    verified: Verified | None = None
    stampede_lease: bool = False
    first_writer: bool = False
    admit: Admit = "economic"
    value_nano_usd_per_million_tokens: int | None = None

    def answers_to(self) -> tuple[str, ...]:
        """Return every name of this route, the underlying model's included, each once."""
        return tuple(dict.fromkeys((self.alias, *self.names, self.space.model)))

    def hit_value(self) -> int:
        """Return what a hit is worth, in nano-dollars per million tokens."""
        named = self.value_nano_usd_per_million_tokens
        return self.targets[0].price_nano_usd_per_million_tokens if named is None else named

    def dearest(self) -> int:
        """Return the price of the dearest target, in nano-dollars per million tokens: what a hold is priced at."""
        return max(target.price_nano_usd_per_million_tokens for target in self.targets)
