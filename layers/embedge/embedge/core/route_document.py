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

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field, ValidationError
from typing_extensions import override

from embedge.core.address import wrong_url
from embedge.core.route import (
    MAX_DIMENSIONS,
    Admit,
    Route,
    Space,
    Storage,
    TokenInputs,
    Tokenizer,
    TokenizerFamily,
    Verified,
)
from embedge.core.target_document import Name, Price, Strict, TargetDocument, nano_usd
from embedge.core.wire_formats import misfits
from embedge.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document, and where: the names and places of fields on the way there."""

    path: tuple[str | int, ...]
    text: str

    @override
    def __str__(self) -> str:
        """Return both, in one line."""
        return f"{'.'.join(map(str, self.path)) or 'document'}: {self.text}"


class _Space(Strict):
    model: Name
    revision: Name
    dimensions: Annotated[int, Field(ge=1, le=MAX_DIMENSIONS)]
    normalised: bool = True
    prompt: Annotated[str, Field(max_length=2000)] = ""
    input_type: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_.]*$")] = ""
    storage: Storage = "f32"


class _Tokenizer(Strict):
    family: TokenizerFamily
    file: str | None = None


class _Verified(Strict):
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    at: Annotated[str, Field(min_length=1, max_length=40)]
    forced: bool = False


class _Route(Strict):
    alias: Name
    names: tuple[Name, ...] = ()
    space: _Space
    targets: Annotated[tuple[TargetDocument, ...], Field(max_length=8)] = ()
    max_input_tokens: Annotated[int, Field(ge=1, le=10_000_000)]
    tokenizer: _Tokenizer | None = None
    token_inputs: TokenInputs = "refused"
    reducible: bool = False
    shared: bool = False
    ttl_s: Annotated[int, Field(ge=60, le=3650 * 86_400)] = 30 * 86_400
    owned_by: Name = "embedge"
    created_s: Annotated[int, Field(ge=0, le=2**53)] = 0
    embeds: bool = True
    hedged: bool = False
    stampede_lease: bool = False
    first_writer: bool = False
    admit: Admit = "economic"
    value_usd_per_million_tokens: Price | None = None
    # Where its dimensions, limits and prices stand, and when they were read; for people.
    sources: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = ()
    verified: _Verified | None = None

    def problems(self) -> Iterator[Problem]:
        """Say what is wrong between fields that are right by themselves."""
        yield from self._problems_of_targets()
        if self.space.storage == "f16" and not self.space.normalised:
            yield Problem(
                ("space", "storage"), "f16 is for normalised vectors: far from one, it loses more than it should"
            )
        if self.stampede_lease and self.admit != "always":
            yield Problem(("stampede_lease",), "others wait for what the cache keeps, so it needs `admit: always`")
        if self.tokenizer and self.tokenizer.family == "cl100k" and self.tokenizer.file is not None:
            yield Problem(("tokenizer", "file"), "cl100k is one vocabulary, and it takes no file")
        targets = [target.target(self.space.model) for target in self.targets]
        for path, text in misfits(Space(**self.space.model_dump()), self.token_inputs, targets):
            yield Problem(path, text)

    def _problems_of_targets(self) -> Iterator[Problem]:
        for place, target in enumerate(self.targets):
            wrong = wrong_url(target.endpoint, private=target.private) if target.transport == "https" else None
            if wrong:
                yield Problem(("targets", place, "endpoint"), wrong)
        if len({target.id for target in self.targets}) < len(self.targets):
            yield Problem(("targets",), "each needs an id of its own")
        if self.embeds and not self.targets:
            yield Problem(("targets",), "a model that embeds needs at least one")
        elif self.embeds and all(target.disabled for target in self.targets):
            yield Problem(("targets",), "a model that embeds needs at least one that is not disabled")

    def route(self) -> Route:
        value = self.value_usd_per_million_tokens
        serving = (target.target(self.space.model) for target in self.targets if target.disabled is None)
        return Route(
            alias=self.alias,
            names=self.names,
            space=Space(**self.space.model_dump()),
            targets=tuple(sorted(serving, key=lambda target: target.priority)),
            max_input_tokens=self.max_input_tokens,
            tokenizer=Tokenizer(**self.tokenizer.model_dump()) if self.tokenizer else None,
            token_inputs=self.token_inputs,
            reducible=self.reducible,
            shared=self.shared,
            ttl_s=self.ttl_s,
            owned_by=self.owned_by,
            created_s=self.created_s,
            embeds=self.embeds,
            hedged=self.hedged,
            verified=Verified(**self.verified.model_dump()) if self.verified else None,
            stampede_lease=self.stampede_lease,
            first_writer=self.first_writer,
            admit=self.admit,
            value_nano_usd_per_million_tokens=None if value is None else nano_usd(value),
        )


@dataclass(frozen=True, slots=True)
class RouteDocument:
    """A document that is a route, in its normal form: JSON of what it says beyond the defaults, always the same text.

    `text` is without what the router itself has noted (`verified`); `taken_out` says why each target that does not
    serve is out of service.
    """

    route: Route
    text: str
    taken_out: Mapping[str, str]

    def noting(self, verified: Verified | None) -> str:
        """Return the document as it is kept: with what is known of its targets."""
        known = {} if verified is None else {"verified": asdict(verified)}
        return json.dumps({**json.loads(self.text), **known}, separators=(",", ":"))


def read_route(document: str | bytes) -> RouteDocument | tuple[Problem, ...]:
    """Read a JSON document; where it is no route, return all that is wrong with it."""
    try:
        read = _Route.model_validate_json(document)
    except ValidationError as error:
        return tuple(Problem(tuple(wrong["loc"]), wrong["msg"]) for wrong in error.errors())
    if problems := tuple(read.problems()):
        return problems
    text = read.model_dump_json(exclude_defaults=True, exclude={"verified"})
    return RouteDocument(read.route(), text, {place.id: place.disabled for place in read.targets if place.disabled})


def parse_route(document: str | bytes) -> Route:
    """Read a JSON document. Raises: InvalidValue, whose message names each field that is wrong."""
    read = read_route(document)
    if isinstance(read, RouteDocument):
        return read.route
    raise InvalidValue(f"This is not a route: {'; '.join(map(str, read))}")
