"""What does the way run in, when it is held to its cache? Tenants, and a model that never says the same thing twice.

Each call brings other vectors, so that an answer tells which call it came from; what was given is written down by
tenant and input. Everything takes a moment, in which everybody else runs.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import orjson
import pybase64

from embedge.adapters.cache_memory import MemoryCache
from embedge.adapters.routes_control import ControlRoutes
from embedge.api import answer_body
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND
from embedge.core.provenance import UNKNOWN, Provenance
from embedge.core.request import Call, EmbeddingRequest, Encoding, Observation, Principal, Tokens
from embedge.core.vector_codec import StoredVector, cut
from embedge.embed import embed
from embedge.ports import NoAnswer, WireRequest, WireResponse
from embedge.upstreams import Upstreams
from tests.core.samples import document
from tests.embed.world import LIMITS, NoSecrets
from tests.embed.world import Setup as EmbedSetup
from tests.embed.world import World as EmbedWorld
from tests.fakes import FakeCache, FakeControlTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.assembly import Embedded
    from embedge.core.request import Input, Limits
    from embedge.core.route import Admit, Target
    from embedge.ports import Cache

DIMENSIONS = 8
Deed: TypeAlias = Literal["right", "busy", "breaks off", "refuses"]
_TENANT = ContextVar("tenant", default="")


@dataclass(frozen=True)
class Form:
    """How an answer is wanted."""

    encoding: Encoding = "base64"
    dimensions: int = DIMENSIONS

    def of(self, vector: bytes) -> object:
        """Return what stands in an answer for this vector."""
        floats = np.frombuffer(vector, np.float32)
        shown = floats if self.dimensions == DIMENSIONS else cut(floats, self.dimensions)
        if self.encoding == "base64":
            return pybase64.b64encode(shown.tobytes()).decode()
        return orjson.loads(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY))


@dataclass
class Fickle:
    """The Transport port."""

    random: Random
    deeds: list[Deed] = field(default_factory=list[Deed])
    calls: int = 0
    given: defaultdict[tuple[str, Input], set[bytes]] = field(default_factory=lambda: defaultdict(set))
    under_way: set[tuple[str, Input]] = field(default_factory=set["tuple[str, Input]"])
    scope: str | None = None  # of a shared route: everybody's
    one_process: bool = True

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        del target
        self.calls += 1
        inputs = [_input(one) for one in json.loads(request.body)["input"]]
        asked = {(self.scope or _TENANT.get(), one) for one in inputs}
        assert len(asked) == len(inputs), "each input is sent once"
        assert not (self.one_process and asked & self.under_way), "nobody fetches what is being fetched"
        self.under_way |= asked
        deed, number = self.deeds.pop(0) if self.deeds else "right", self.calls
        try:
            await asyncio.sleep(self.random.choice([0.0, 0.1, 1.0]))
        finally:
            self.under_way -= asked
        if deed == "breaks off":
            raise NoAnswer
        if deed != "right":
            return WireResponse(500 if deed == "busy" else 400, {}, b'{"error": {"message": "no"}}')
        data: list[object] = []
        for index, one in enumerate(inputs):
            drawn = np.random.default_rng(number * 1000 + index).standard_normal(DIMENSIONS)
            vector = (drawn / np.linalg.norm(drawn)).astype(np.float32).tobytes()
            self.given[self.scope or _TENANT.get(), one].add(vector)
            data.append({"index": index, "embedding": pybase64.b64encode(vector).decode()})
        return WireResponse(200, {}, json.dumps({"data": data, "usage": {"prompt_tokens": len(inputs)}}).encode())


def _input(sent: str | list[int]) -> Input:
    return sent if isinstance(sent, str) else Tokens(tuple(sent))


class Slow:
    """The Cache port on another, some time later."""

    def __init__(self, cache: Cache, random: Random) -> None:
        self._cache = cache
        self._random = random

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        await self._pause()
        found = await self._cache.get_many(keys, dimensions, tenant)
        await self._pause()
        return found

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        await self._pause()
        await self._cache.put_many(entries, ttl_s, tenant, provenance=provenance)
        await self._pause()

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        await self._pause()
        standing = await self._cache.keep_first(entries, ttl_s, tenant, provenance=provenance)
        await self._pause()
        return standing

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.choice([0.0, 0.0, 0.01, 0.3]))


class Authenticator:
    """The Authenticator port: the credential is the tenant, and some have limits of their own."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits = limits

    async def verify(self, credential: str | None) -> Principal:
        tenant = credential or ""
        return Principal(tenant, frozenset({"embeddings"}), ("*",), self._limits.get(tenant, LIMITS))

    async def confirm(self, credential: str | None) -> Principal:
        return await self.verify(credential)


@dataclass(frozen=True)
class Setup:
    """What differs between worlds."""

    memory_bytes: int = 0
    shared: bool = False
    lease: bool = False
    seed: int = 0
    admit: Admit = "always"
    first_writer: bool = False

    def remembers(self) -> bool:
        """Tell whether what was answered a moment ago is certainly a hit."""
        return self.admit == "always" or (self.memory_bytes > 10_000 and not self.first_writer)


class World:
    """The way, over that model."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.limits: dict[str, Limits] = {}
        self._random = random = Random(setup.seed)
        self.server = Fickle(random, scope="everybody" if setup.shared else None)
        self.base = EmbedWorld(EmbedSetup(store_prices=DYNAMODB_ON_DEMAND))
        self.cache: FakeCache = self.base.cache
        lease = setup.lease and setup.admit == "always"  # others wait for what is surely kept
        also = {"admit": setup.admit, "first_writer": setup.first_writer, "stampede_lease": lease}
        route = document(shared=setup.shared, ttl_s=60, **also)
        control = FakeControlTable({("ROUTES", "small"): json.dumps(route)})
        cache = self.slow(self.cache)
        self.services = replace(
            self.base.services,
            authenticator=Authenticator(self.limits),
            routes=ControlRoutes(control, self.base.clock, self.base.faults.append),
            memory=cache,
            cache=cache,
            upstreams=Upstreams({"https": self.server}, NoSecrets(), random.random, self.base.faults.append),
        )
        self.observations: list[Observation] = []

    async def ask(
        self, inputs: Sequence[Input], form: Form = Form(), tenant: str = "a", seconds: float = 25.0
    ) -> Embedded:
        """Embed as a caller would."""
        _TENANT.set(tenant)
        observation = Observation()
        self.observations.append(observation)
        request = EmbeddingRequest("small", tuple(inputs), form.encoding, form.dimensions)
        deadline_s = asyncio.get_running_loop().time() + seconds
        return await embed(Call(tenant, lambda: request, deadline_s, observation), self.services)

    def slow(self, cache: FakeCache) -> MemoryCache:
        """Return a memory of one's own in front of a cache that takes a moment."""
        return MemoryCache(Slow(cache, self._random), self.base.clock, self.setup.memory_bytes)

    def restart(self) -> None:
        """Forget what is in memory, as a new process has."""
        cache = self.slow(self.cache)
        self.services = replace(self.services, memory=cache, cache=cache)

    def given(self, tenant: str, one: Input) -> set[bytes]:
        """Return the vectors that the model has given a tenant for an input."""
        return self.server.given[self.server.scope or tenant, one]


def shown(embedded: Embedded) -> list[object]:
    """Return what stands in the answer, as it is sent."""
    return [row["embedding"] for row in orjson.loads(b"".join(answer_body.parts(embedded)))["data"]]
