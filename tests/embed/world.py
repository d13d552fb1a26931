"""What does the way run in, in tests? Everything real but the outside: one tenant, one route, a server that misbehaves.

The server computes vectors from texts, so that every position of every answer can be held to its input, and it adds up
what it would bill, so that the ledger can be held to that.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pybase64

from embedge.adapters.cache_memory import MemoryCache
from embedge.adapters.key_secret import NamedKeySecret
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.purges_control import ControlPurges
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.routes_control import ControlRoutes
from embedge.adapters.usage_ledger import LedgerUsage
from embedge.adapters.usage_ledger import Pace as UsagePace
from embedge.core.admission_economics import NO_CHARGE, StorePrices
from embedge.core.cache_policy import CachePolicy
from embedge.core.kept_answer import LARGEST_KEPT_BYTES
from embedge.core.metering import cost_nano_usd
from embedge.core.recheck import Pace
from embedge.core.request import NO_LIMIT, Call, EmbeddingRequest, Limits, Observation, Principal
from embedge.embed import embed
from embedge.errors import ServiceUnavailable
from embedge.flights import Flights
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse
from embedge.purging import of_space, purge
from embedge.rechecking import Rechecks
from embedge.services import Services
from embedge.upstreams import PROVIDERS, Upstreams
from embedge.upstreams.probing import Prober
from tests.fakes import FakeCache, FakeClock, FakeControlTable, FakeLeases, FakeLedgerTable, NoMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.assembly import Embedded
    from embedge.core.route import Admit, Route, Storage, Target
    from embedge.core.vector_codec import FloatVector
    from embedge.core.wanted import WantedInput

DIMENSIONS = 8
NEVER = Pace(10**9, least_s_between=0, longest_s=1, lives_on=False)
PRICE = 20_000_000  # nano-dollars per million tokens: $0.02
MODEL = "text-embedding-3-small"
Wire = Literal["openai", "tei"]
Deed = Literal[
    "right",
    "in reverse",
    "repeats an index",
    "drops one",
    "adds one",
    "not finite",
    "too short",
    "not JSON",
    "busy",
    "broken",
    "refuses the key",
    "refuses the input",
    "quota spent",
    "unreachable",
    "breaks off",
    "too slow",
    "hangs",
]
LIMITS = Limits(
    requests_per_minute=100_000,
    tokens_per_minute=100_000_000,
    day_nano_usd=10**9,
    month_nano_usd=10**10,
    total_nano_usd=NO_LIMIT,
)


def vector_of(text: str) -> FloatVector:
    """Return the one right vector of a text: of length one, and of no other text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def tokens_of(text: str) -> int:
    """Return how the server counts: fewer tokens than bytes, and never none."""
    return max(1, len(text.encode()) // 3)


class Server:
    """The Transport port: an embeddings server whose next deeds a test sets; after those it does right."""

    def __init__(self, wire: Wire) -> None:
        self.deeds: deque[Deed] = deque()
        self.asked: list[list[str]] = []
        self.billed_nano_usd = 0
        self._wire = wire

    def will(self, *deeds: Deed, times: int = 1) -> None:
        """Set what it does next."""
        self.deeds.extend(deeds * times)

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        del target
        body = json.loads(request.body)
        texts: list[str] = body["input"] if self._wire == "openai" else body["inputs"]
        deed = self.deeds.popleft() if self.deeds else "right"
        self.asked.append(texts)
        if deed == "unreachable":
            raise NotSent
        if deed in {"busy", "broken", "refuses the key", "refuses the input", "quota spent"}:
            return _refusal(deed, texts)
        if self._wire == "openai":
            self.billed_nano_usd += cost_nano_usd(sum(map(tokens_of, texts)), PRICE)
        if deed == "hangs":
            await asyncio.sleep(3600)
        if deed in {"breaks off", "too slow"}:
            raise TimedOut if deed == "too slow" else NoAnswer
        if deed == "not JSON":
            return WireResponse(200, {}, b"<html>welcome to the proxy</html>")
        return WireResponse(200, {}, self._answer(deed, texts))

    def _answer(self, deed: Deed, texts: list[str]) -> bytes:
        rows = [vector_of(text) for text in texts]
        if deed == "not finite":
            rows[0] = np.full(DIMENSIONS, np.nan, np.float32)
        if deed == "too short":
            rows[-1] = rows[-1][:-1]
        numbers = list(range(len(rows)))
        if deed == "drops one":
            rows, numbers = rows[:-1], numbers[:-1]
        if deed == "adds one":
            rows, numbers = [*rows, rows[0]], [*numbers, len(numbers)]
        if deed == "repeats an index":
            numbers[-1] = 0 if len(numbers) > 1 else 1
        if self._wire == "tei":
            return json.dumps([row.tolist() for row in rows]).encode()
        data = [
            {"object": "embedding", "index": number, "embedding": pybase64.b64encode(row.tobytes()).decode()}
            for number, row in zip(numbers, rows, strict=True)
        ]
        if deed == "in reverse":
            data.reverse()
        tokens = sum(map(tokens_of, texts))
        return json.dumps({"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}).encode()


def _refusal(deed: Deed, texts: list[str]) -> WireResponse:
    status = {"busy": 429, "broken": 500, "refuses the key": 401, "refuses the input": 400, "quota spent": 429}[deed]
    code = "insufficient_quota" if deed == "quota spent" else None
    error = {"message": f"no: {len(texts)} inputs, key sk-abcdef0123456789", "type": "x", "param": None, "code": code}
    return WireResponse(status, {}, json.dumps({"error": error}).encode())


class Authenticator:
    """The Authenticator port: whoever sends anything is the one tenant."""

    def __init__(self, limits: Limits) -> None:
        self.principal = Principal("acme", frozenset({"embeddings", "models"}), ("*",), limits)

    async def verify(self, credential: str | None) -> Principal:
        del credential
        return self.principal

    async def confirm(self, credential: str | None) -> Principal:
        return await self.verify(credential)


class Counter:
    """The Tokenizers port: counts as the server does, or cannot."""

    def __init__(self, *, able: bool) -> None:
        self._able = able

    async def count(self, route: Route, wanted: Sequence[WantedInput]) -> Mapping[bytes, int] | None:
        del route
        if not self._able:
            return None
        return {item.key: tokens_of(item.content) for item in wanted if isinstance(item.content, str)}

    async def as_text(self, route: Route, request: EmbeddingRequest) -> EmbeddingRequest:
        del route
        return request


class NoSecrets:
    """The Secrets port: there is one, and it is not secret."""

    async def reveal(self, target: Target) -> str | None:
        del target
        return "sk-test"

    async def renew(self, target: Target, rejected: str) -> str | None:
        del target, rejected
        return None


@dataclass(frozen=True)
class Setup:
    """What differs between worlds."""

    wire: Wire = "openai"
    counts: bool = False
    inputs_a_call: int = 4
    targets: int = 1
    body_bytes: int = 4_000_000
    limits: Limits = LIMITS
    shared: bool = False
    first_writer: bool = False
    largest_bytes: int = 5_900_000
    admit: Admit = "economic"
    storage: Storage = "f32"
    store_prices: StorePrices = NO_CHARGE
    memory_bytes: int | None = None
    ttl_s: int = 30 * 86_400
    recheck: Pace = NEVER
    key_secret: str | None = None


class World:
    """The way, with all that it needs."""

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = setup or Setup()
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        self.table, self.usage_table = FakeLedgerTable(self.clock), FakeLedgerTable(self.clock)
        self.control = FakeControlTable({("ROUTES", MODEL): _route(self.setup)})
        self.server = Server(self.setup.wire)
        self.ledger = PurseLedger(self.table, self.clock)
        self.faults: list[str] = []
        memory = None if self.setup.memory_bytes is None else self.remembering(self.setup.memory_bytes)
        self.purges = ControlPurges(self.control, self.clock, self.faults.append)
        self.services = Services(
            authenticator=Authenticator(self.setup.limits),
            routes=ControlRoutes(self.control, self.clock, self.faults.append),
            purges=self.purges,
            key_secret=NamedKeySecret(self.setup.key_secret and "env:SECRET", self, self.faults.append),
            rates=GcraRates(self.table, self.clock),
            memory=memory or NoMemory(),
            cache=memory or self.cache,
            cache_policy=CachePolicy(self.setup.store_prices, self.clock.now_s, self.faults.append),
            flights=Flights(),
            leases=FakeLeases(self.cache, self.clock),
            ledger=self.ledger,
            tokenizers=Counter(able=self.setup.counts),
            upstreams=Upstreams({"https": self.server}, NoSecrets(), lambda: 0.0, self.faults.append),
            usage=LedgerUsage(self.usage_table, self.clock, UsagePace(5, 1), self.faults.append),
            rechecks=self.doubting(),
            largest_answer_bytes=LARGEST_KEPT_BYTES,
        )
        self.observation = Observation()

    def remembering(self, most_bytes: int) -> MemoryCache:
        """Return a memory in front of the cache, with nothing in it."""
        return MemoryCache(self.cache, self.clock, most_bytes)

    async def named(self, reference: str) -> str:
        """Return what the keys of the cache are hidden with: it fulfils the NamedSecrets port."""
        del reference
        if self.setup.key_secret == "out of reach":
            raise ServiceUnavailable("it is at arn:aws:secretsmanager:secret/x")
        return self.setup.key_secret or ""

    def doubting(self) -> Rechecks:
        """Return what embeds hits again, as the setup says; of two targets, the second is asked first."""

        async def distrust(space: bytes) -> None:
            await purge(self.control, of_space(space))
            await self.purges.read_again()

        return Rechecks(
            opinions=Prober({"https": self.server}, PROVIDERS, NoSecrets()),
            distrust=distrust,
            clock=self.clock,
            random=lambda: 0.5,
            on_fault=self.faults.append,
            pace=self.setup.recheck,
        )

    async def ask(self, texts: Sequence[str], seconds: float = 30.0) -> Embedded:
        """Embed texts as a caller would."""
        self.observation = Observation()
        request = EmbeddingRequest(MODEL, tuple(text for text in texts))
        deadline_s = asyncio.get_running_loop().time() + seconds
        return await embed(Call("Bearer x", lambda: request, deadline_s, self.observation), self.services)

    async def charged_nano_usd(self) -> int:
        """Return what the ledger has taken for good: what is in purses goes back first."""
        await self.ledger.close()
        item = self.table.items.get(("acme", "B"))
        return 0 if item is None else item["dl"] - item["da"]

    def cached_texts_are_right(self, texts: Sequence[str]) -> bool:
        """Tell whether every vector in the cache is that of one of these texts."""
        right = {vector_of(text).tobytes() for text in texts}
        return all(value[12:] in right for value, _ in self.cache.values.values())


def is_right(embedded: Embedded, texts: Sequence[str]) -> bool:
    """Tell whether every position holds the vector of its input."""
    got = [vector.floats().tobytes() for vector in embedded.vectors]
    return got == [vector_of(text).tobytes() for text in texts]


def _route(setup: Setup) -> str:
    return json.dumps(
        {
            "alias": MODEL,
            "space": {"model": MODEL, "revision": "1", "dimensions": DIMENSIONS, "storage": setup.storage},
            "max_input_tokens": 8192,
            "tokenizer": {"family": "byte_bpe"},
            "reducible": True,
            "shared": setup.shared,
            "admit": setup.admit,
            "ttl_s": setup.ttl_s,
            "first_writer": setup.first_writer,
            "targets": [
                {
                    "id": f"target-{number}",
                    "provider": setup.wire,
                    "transport": "https",
                    "endpoint": "https://provider.test/v1",
                    "secret": "env:KEY",
                    "price_usd_per_million_tokens": "0.02",
                    "limits": {"inputs": setup.inputs_a_call, "body_bytes": setup.body_bytes, "concurrency": 3},
                }
                for number in range(setup.targets)
            ],
        }
    )
