"""Which servers do calls meet, in tests? Several targets of one space, each with a schedule of what it does next.

The way of a request is the real one; time is simulated. Every call that reaches a server is written down, with when,
from which request, and what became of it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Literal

import numpy as np
import pybase64

from embedge.adapters.routes_control import ControlRoutes
from embedge.core.metering import cost_nano_usd
from embedge.errors import EmbedgeError, ServiceUnavailable
from embedge.ports import NoAnswer, NotSent, TimedOut, WireRequest, WireResponse
from embedge.upstreams import Upstreams
from tests.embed import world as embed_world
from tests.embed.world import DIMENSIONS, MODEL, PRICE, is_right, tokens_of, vector_of
from tests.fakes import FakeControlTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedge.core.assembly import Embedded
    from embedge.core.request import Limits
    from embedge.core.route import Target, TransportName
    from embedge.ports import Transport

Kind = Literal[
    "right", "in reverse", "resets", "refuses the connection", "hangs", "busy", "broken", "down", "cold", "drops one",
    "repeats an index", "not finite", "no embeddings", "refuses the key", "refuses the input",
]  # fmt: skip
_STATUS: dict[Kind, int] = {
    "busy": 429, "broken": 500, "down": 503, "cold": 503, "no embeddings": 501, "refuses the key": 401,
    "refuses the input": 400,
}  # fmt: skip
READ_TIMEOUT_S = 20.0
_REQUEST = ContextVar("request", default=0)


@dataclass(frozen=True)
class Deed:
    """What a server does with a call: after how long, and how long it says to wait, where it says so."""

    kind: Kind
    delay_s: float = 0.0
    retry_after_s: float | None = None


@dataclass
class Sent:
    """A call that reached a server. `end` is what became of it: a deed's kind, `too large`, or `cut off`."""

    request: int
    target: str
    texts: tuple[str, ...]
    at_s: float
    end: str = "under way"
    end_s: float = float("inf")


@dataclass
class Servers:
    """The Transport port, to all targets. What a target has no deed for, it does right, after `usual_s`."""

    deeds: defaultdict[str, deque[Deed]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, Deed] = field(default_factory=dict[str, Deed])
    most_inputs: int = 2048
    most_bytes: int = 10**9
    usual_s: float = 0.1
    sent: list[Sent] = field(default_factory=list[Sent])
    reloads: list[str] = field(default_factory=list[str])
    reload_s: float = 1.0
    at_once: Counter[str] = field(default_factory=Counter[str])
    most_at_once: Counter[str] = field(default_factory=Counter[str])
    billed_nano_usd: int = 0
    unknown: int = 0

    def will(self, target: str, *deeds: Deed | Kind) -> None:
        """Set what a target does next."""
        self.deeds[target].extend(Deed(deed) if isinstance(deed, str) else deed for deed in deeds)

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        if request.path == target.reload:
            self.reloads.append(target.endpoint + request.path)
            assert json.loads(request.body) == {"model": MODEL}
            await asyncio.sleep(self.reload_s)
            return WireResponse(200, {}, b"{}")
        texts = tuple(json.loads(request.body)["input"])
        entry = Sent(_REQUEST.get(), target.id, texts, asyncio.get_running_loop().time())
        self.sent.append(entry)
        self.at_once[target.id] += 1
        self.most_at_once[target.id] = max(self.most_at_once[target.id], self.at_once[target.id])
        entry.end = "cut off"
        try:
            return await self._serve(target.id, texts, entry)
        finally:
            self.at_once[target.id] -= 1
            entry.end_s = asyncio.get_running_loop().time()
            if entry.end in {"cut off", "resets", "hangs"}:
                self.unknown += 1
                self._bill(texts)

    async def _serve(self, target: str, texts: tuple[str, ...], entry: Sent) -> WireResponse:
        if len(texts) > self.most_inputs or any(len(text) > self.most_bytes for text in texts):
            entry.end = "too large"
            return _refusal(413)
        queue = self.deeds[target]
        deed = queue.popleft() if queue else self.always.get(target, Deed("right", self.usual_s))
        await asyncio.sleep(READ_TIMEOUT_S if deed.kind == "hangs" else deed.delay_s)
        entry.end = deed.kind
        if deed.kind in {"hangs", "resets", "refuses the connection"}:
            raise {"hangs": TimedOut, "resets": NoAnswer, "refuses the connection": NotSent}[deed.kind]
        if deed.kind in _STATUS:
            said = "the model is loading" if deed.kind == "cold" else "no"
            return _refusal(_STATUS[deed.kind], deed.retry_after_s, said)
        self._bill(texts)
        return WireResponse(200, {}, _answer(deed.kind, texts))

    def _bill(self, texts: Sequence[str]) -> None:
        self.billed_nano_usd += cost_nano_usd(sum(map(tokens_of, texts)), PRICE)


def _refusal(status: int, retry_after_s: float | None = None, said: str = "no") -> WireResponse:
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return WireResponse(status, headers, json.dumps({"error": {"message": said}}).encode())


def _answer(kind: Kind, texts: Sequence[str]) -> bytes:
    rows = [(number, vector_of(text)) for number, text in enumerate(texts)]
    if kind == "not finite":
        rows[0] = (0, np.full(DIMENSIONS, np.nan, np.float32))
    if kind == "drops one":
        rows.pop()
    if kind == "repeats an index":
        rows[-1] = (rows[0][0] if len(rows) > 1 else 1, rows[-1][1])
    if kind == "in reverse":
        rows.reverse()
    data = [{"index": number, "embedding": pybase64.b64encode(row.tobytes()).decode()} for number, row in rows]
    tokens = sum(map(tokens_of, texts))
    return json.dumps({"data": data, "usage": {"prompt_tokens": tokens}}).encode()


class Secrets:
    """The Secrets port: each target has one, and those `out_of_reach` cannot be had."""

    def __init__(self) -> None:
        self.out_of_reach: set[str] = set()
        self.newer: str | None = None

    async def reveal(self, target: Target) -> str | None:
        if target.secret in self.out_of_reach:
            raise ServiceUnavailable("out of reach")
        return "sk-test"

    async def renew(self, target: Target, rejected: str) -> str | None:
        del target
        return self.newer if rejected != self.newer else None


@dataclass(frozen=True)
class Setup:
    """What differs between worlds: the targets are named a, b, c, …; those of one `priority` share the calls."""

    priorities: Sequence[int] = (0,)
    weights: Sequence[int] = (1,) * 8
    inputs_a_call: int = 64
    concurrency: int = 4
    hedged: bool = False
    reload: str | None = None
    limits: Limits = embed_world.LIMITS
    seed: int = 0


class World:
    """The way, over those servers."""

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = setup or Setup()
        self.servers = Servers()
        self.secrets = Secrets()
        self.world = embed_world.World(embed_world.Setup(limits=self.setup.limits))
        self.faults: list[str] = []
        self.asked = 0
        control = FakeControlTable({("ROUTES", MODEL): _route(self.setup)})
        self.world.services = replace(
            self.world.services,
            routes=ControlRoutes(control, self.world.clock, self.faults.append),
            upstreams=self.upstreams({"https": self.servers}),
        )

    def upstreams(self, transports: Mapping[TransportName, Transport]) -> Upstreams:
        """Return what is tested, over these ways to send."""
        return Upstreams(transports, self.secrets, Random(self.setup.seed).random, self.faults.append)

    async def ask(self, texts: Sequence[str], seconds: float = 25.0) -> Embedded:
        """Embed texts as a caller would, and hold the answer to what is right, and to its deadline."""
        self.asked += 1
        _REQUEST.set(self.asked)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + seconds
        try:
            embedded = await self.world.ask(texts, seconds)
        finally:
            assert loop.time() <= deadline_s + 1e-6
        assert is_right(embedded, texts)
        return embedded

    async def outcome(self, texts: Sequence[str], seconds: float = 25.0) -> EmbedgeError | None:
        """Ask, and return the error where one comes."""
        try:
            await self.ask(texts, seconds)
        except EmbedgeError as error:
            return error
        return None

    async def charged_nano_usd(self) -> int:
        """Return what the ledger has taken for good."""
        return await self.world.charged_nano_usd()

    async def warm_up(self) -> None:
        """Ask until the targets' usual latency is known: about a tenth of a second, and none took longer than usual."""
        for number in range(25 * len(self.setup.priorities)):
            self.servers.usual_s -= 1e-5
            await self.ask([f"warming up {number}"])

    def sent_to(self, target: str) -> list[Sent]:
        """Return the calls that reached a target."""
        return [entry for entry in self.servers.sent if entry.target == target]

    def targets_asked(self) -> str:
        """Return the targets in the order in which they were asked."""
        return "".join(entry.target for entry in self.servers.sent)


def _route(setup: Setup) -> str:
    targets = [
        {
            "id": "abcdefgh"[number],
            "provider": "openai",
            "transport": "https",
            "endpoint": f"https://{'abcdefgh'[number]}.test/v1",
            "secret": f"env:{'abcdefgh'[number]}",
            "price_usd_per_million_tokens": "0.02",
            "priority": priority,
            "weight": setup.weights[number],
            "limits": {"inputs": setup.inputs_a_call, "concurrency": setup.concurrency},
            "read_timeout_s": READ_TIMEOUT_S,
            "reload": setup.reload,
        }
        for number, priority in enumerate(setup.priorities)
    ]
    return json.dumps(
        {
            "alias": MODEL,
            "space": {"model": MODEL, "revision": "1", "dimensions": DIMENSIONS},
            "max_input_tokens": 8192,
            "tokenizer": {"family": "byte_bpe"},
            "hedged": setup.hedged,
            "targets": targets,
        }
    )
