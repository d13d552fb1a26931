"""What do all answers share? Headers, errors in one shape, a base path taken off, and a record of each invocation."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embedge.api.error_table import error_answer
from embedge.api.receiving import ClientLeft
from embedge.api.sending import send_answer
from embedge.core.request import Observation
from embedge.errors import ServiceUnavailable
from embedge.ports import Telemetry

OBSERVATION = "embedge.observation"
REQUEST_ID = "embedge.request_id"
_ASKED_PATH = "embedge.asked_path"
# nginx's number for a client that went away before it was answered; nobody is there to see it but the log.
_CLIENT_LEFT = 499
# What is served under any base path, and not under `/v1` alone.
_OUTSIDE_V1 = frozenset({"/health", "/openapi.json"})
_JWKS = "/.well-known/jwks.json"


class Envelope:
    """ASGI middleware around the whole API."""

    def __init__(
        self, app: ASGIApp, telemetry: Telemetry, underway: "Underway", on_fault: Callable[[Exception], None]
    ) -> None:
        """Take what is inside, where invocations are recorded and counted, and whom to tell of a fault of our own."""
        self._underway = underway
        self._app = app
        self._telemetry = telemetry
        self._on_fault = on_fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = _Exchange(send if scope["method"] != "HEAD" else _without_body(send), _request_id(scope), started)
        observation = Observation()
        path = own_path(scope["path"])
        inner = {
            **scope,
            "path": path,
            "root_path": "",
            OBSERVATION: observation,
            REQUEST_ID: exchange.request_id,
            _ASKED_PATH: scope["path"],
        }
        self._underway.enter()
        try:
            await self._app(inner, receive, exchange.send)
        except ClientLeft:
            exchange.status = _CLIENT_LEFT
        except asyncio.CancelledError:  # the server stops: the last thing that this task does is to say so
            await exchange.fail(ServiceUnavailable("The server is stopping. Please try again.", retry_after_s=1))
        except Exception as error:  # noqa: BLE001 (the last place that can turn a fault into an answer)
            self._on_fault(error)
            await exchange.fail(error)
        finally:
            latency_ms = (time.perf_counter() - started) * 1000
            self._underway.leave()  # whoever waits for that goes on only after this line and the next
            self._telemetry.record(observation, exchange.status, latency_ms, exchange.request_id)


class Underway:
    """How many requests are being served; what they stand on may be closed when nobody is."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._count = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    def enter(self) -> None:
        """Count one more."""
        self._count += 1
        self._nobody.clear()

    def leave(self) -> None:
        """Count one less."""
        self._count -= 1
        if not self._count:
            self._nobody.set()

    async def nobody(self, limit_s: float) -> None:
        """Wait until nobody is being served, but no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._nobody.wait()


class _Exchange:
    """One answer on its way out."""

    def __init__(self, send: Send, request_id: str, started: float) -> None:
        self._send = send
        self._started = started
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            spent_ms = int((time.perf_counter() - self._started) * 1000)
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode()),
                (b"openai-processing-ms", b"%d" % spent_ms),
                (b"cache-control", b"private, no-store"),
            ]
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        if self.status:
            return  # the answer has begun: it can only break off
        answer = error_answer(error, self.request_id)
        await send_answer(answer.status, answer.headers, answer.body, self.send)


def own_path(path: str) -> str:
    """Return the path that the routes know: without a base in front, a trailing slash or doubled ones.

    What API Gateway or a custom domain puts in front is all before the first `/v1/`. A model's name keeps its own
    slashes. No name here has control characters, and the framework's patterns stop at a line break: they become U+FFFD.
    """
    shown = path if path.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in path)
    trimmed = shown.rstrip("/") or "/"
    start = f"{trimmed}/".find("/v1/")
    if start < 0:
        if trimmed.endswith(_JWKS):
            return _JWKS
        last = trimmed[trimmed.rfind("/") :]
        return last if last in _OUTSIDE_V1 else trimmed
    call, _, rest = trimmed[start + len("/v1/") :].lstrip("/").partition("/")
    return "/".join(part for part in ("/v1", call, rest.lstrip("/")) if part)


def asked_path(scope: Scope) -> str:
    """Return the path as the client sees it: API Gateway leaves its stage out of the event's own.

    Source: https://gist.github.com/GREsau/444c7d4d0bb9e8c82dd1a585931028bd (events seen), read 2026-11.
    """
    event: Any = scope.get("aws.event") or {}
    return str(event.get("requestContext", {}).get("path") or scope[_ASKED_PATH])


def _without_body(send: Send) -> Send:
    """Answer HEAD with the headers of GET alone. Source: RFC 9110, section 9.3.2."""

    async def send_headers(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_headers


def _request_id(scope: Scope) -> str:
    event = scope.get("aws.event")
    if event is not None and (given := event.get("requestContext", {}).get("requestId")):
        return str(given)
    return f"req_{uuid4().hex}"
