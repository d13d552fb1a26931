"""How is the API called in tests? Over ASGI, with real tokens, in front of the way with its fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx

from embedge.api.app import Serving, create_app
from embedge.api.carriage import Carriage
from embedge.cli.signing import KeyPair, new_key_pair, sign
from embedge.core.identity import ISSUED_SCOPES, Grant
from embedge.usage import Books
from tests.embed.world import MODEL, Setup, World
from tests.fakes import FakeAnswers
from tests.identity import Identity

if TYPE_CHECKING:
    from starlette.routing import Router

    from embedge.core.request import Observation

KEYS: KeyPair = new_key_pair("test-key")


@dataclass
class Records:
    """The Telemetry port: remembers."""

    seen: list[tuple[Observation, int]] = field(default_factory=list["tuple[Observation, int]"])

    def record(self, observation: Observation, status: int, latency_ms: float, request_id: str) -> None:
        assert latency_ms >= 0
        assert request_id
        self.seen.append((observation, status))


class Caller:
    """The API with one key, and whoever calls it."""

    def __init__(self, setup: Setup | None = None, cors_origins: tuple[str, ...] = (), **ports: Any) -> None:
        """Take what differs in the world, and ports of the way that are not to be its own."""
        self.world = World(setup)
        self.records = Records()
        self.world.control.documents["KEYS", KEYS.kid] = KEYS.public_jwk
        clock = self.world.clock
        identity = Identity(self.world.control, clock, self.world.setup.limits)
        services = replace(self.world.services, **{"authenticator": identity.authenticator, **ports})
        self.answers = FakeAnswers()
        carriage = Carriage(self.world.setup.largest_bytes, self.answers)
        self.books = Books(self.world.services.usage, self.world.usage_table, self.world.table, clock)
        self.serving = Serving(
            services,
            self.books,
            self.records,
            clock,
            30.0,
            carriage,
            self.world.ledger.close,
            identity.own_keys.published,
            cors_origins,
        )
        self.app = create_app(self.serving)

    def token(self, **changes: Any) -> str:
        """Return a token as the team's own, but for these changes."""
        now_s = int(self.world.clock.now_s())
        grant = Grant("embedge", "embedge", "acme", ISSUED_SCOPES, ("*",), now_s, now_s + 3600, "id")
        return sign(replace(grant, **changes), KEYS.kid, KEYS.pem)

    def app_with(self, **changes: Any) -> Router:
        """Return the API as it is, but for these changes to what it stands on."""
        return create_app(replace(self.serving, **changes))

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request as it is."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://embedge.test") as client:
            return await client.request(method, path, **request)

    async def embed(self, body: object, *, token: str | None = None, path: str = "/v1/embeddings") -> httpx.Response:
        """Send a body, as JSON where it is not bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token or self.token()}", "content-type": "application/json"}
        return await self.send("POST", path, content=content, headers=headers)

    async def ask(self, texts: object, **fields: object) -> httpx.Response:
        """Embed texts."""
        return await self.embed({"model": MODEL, "input": texts, **fields})


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error object, held to its shape."""
    document = response.json()
    assert document.keys() == {"error"}
    error = document["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert response.headers["x-request-id"]
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["openai-processing-ms"].isdecimal()
    return error
