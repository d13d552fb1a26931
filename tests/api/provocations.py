"""What has to be done over HTTP to be answered with each error? For every row of the table at least one way.

What nothing here can cause yet is raised by a port: what the API makes of it is the same.
`python -m tests.api.provocations` prints every message in a row, to be read.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

from embedge import errors
from embedge.core.request import MAX_BODY_BYTES
from embedge.ports import WireResponse
from embedge.upstreams import Upstreams
from tests.api.client import Caller
from tests.embed.world import LIMITS, MODEL, Deed, NoSecrets, Setup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from embedge.core.route import Target
    from embedge.errors import EmbedgeError
    from embedge.ports import WireRequest

# In every text that is sent: no answer may hold it.
SECRET = "the caller's own text"
FAR_TOO_LONG = f"{SECRET} " * 2_000
ASKED = {"model": MODEL, "input": SECRET}


@dataclass(frozen=True, slots=True)
class Provocation:
    """A way to an error: `kind` is None for a fault of our own."""

    name: str
    kind: type[EmbedgeError] | None
    param: str | None
    send: Callable[[], Awaitable[httpx.Response]]


class Raising:
    """Any port, when all it does is raise."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def _raise(self, *_: object) -> Any:
        raise self._error

    verify = current = admit = take = _raise


class Answering:
    """The Transport port: answers with one status, whatever is asked."""

    def __init__(self, status: int) -> None:
        self._status = status

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        del target, request
        return WireResponse(self._status, {}, b"{}")


def body(name: str, kind: type[EmbedgeError], param: str | None, sent: object) -> Provocation:
    return Provocation(name, kind, param, lambda: Caller().embed(sent))


def fields(name: str, kind: type[EmbedgeError], param: str | None, **changes: object) -> Provocation:
    return body(name, kind, param, {**ASKED, **changes})


def credential(name: str, kind: type[EmbedgeError], make: Callable[[Caller], str | None]) -> Provocation:
    async def send() -> httpx.Response:
        caller = Caller()
        made = make(caller)
        headers = {} if made is None else {"authorization": made}
        return await caller.send("POST", "/v1/embeddings", json=ASKED, headers=headers)

    return Provocation(name, kind, None, send)


def port(kind: type[EmbedgeError], param: str | None, **raising: str) -> Provocation:
    ((name, message),) = raising.items()
    ports: dict[str, Any] = {name: Raising(kind(message, param=param))}
    return Provocation(f"{name} raises", kind, param, lambda: Caller(**ports).embed(ASKED))


def deed(kind: type[EmbedgeError], what: Deed, param: str | None = None) -> Provocation:
    async def send() -> httpx.Response:
        caller = Caller()
        caller.world.server.will(what, times=9)
        return await caller.embed(ASKED)

    return Provocation(f"upstream: {what}", kind, param, send)


def status(kind: type[EmbedgeError], number: int) -> Provocation:
    upstreams = Upstreams({"https": Answering(number)}, NoSecrets(), lambda: 0.0, print)
    return Provocation(f"upstream: {number}", kind, None, lambda: Caller(upstreams=upstreams).embed(ASKED))


def in_world(name: str, kind: type[EmbedgeError], param: str | None, setup: Setup, *inputs: object) -> Provocation:
    async def send() -> httpx.Response:
        caller = Caller(setup)
        for asked in inputs[:-1]:
            await caller.embed({**ASKED, "input": asked})
        return await caller.embed({**ASKED, "input": inputs[-1]})

    return Provocation(name, kind, param, send)


def request(name: str, kind: type[EmbedgeError], param: str | None, *asked: str, **more: Any) -> Provocation:
    async def send() -> httpx.Response:
        caller = Caller()
        headers = {"authorization": f"Bearer {caller.token()}", **more.get("headers", {})}
        return await caller.send(*asked, **{**more, "headers": headers})

    return Provocation(name, kind, param, send)


def said(name: str, kind: type[EmbedgeError], partition: str, sort: str, document: str) -> Provocation:
    """Return a request of whom an operator has said something in Control."""

    async def send() -> httpx.Response:
        caller = Caller()
        caller.world.control.documents[partition, sort] = document
        return await caller.embed(ASKED)

    return Provocation(name, kind, "model" if kind is errors.ModelNotAllowed else None, send)


async def _flood() -> httpx.Response:
    app = Caller().app_with(requests_per_second_per_address=1)
    transport = httpx.ASGITransport(app, client=("203.0.113.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://embedge.test") as client:
        await client.post("/v1/embeddings", json=ASKED)
        return await client.post("/v1/embeddings", json=ASKED)


async def _of_one_size() -> httpx.Response:
    caller = Caller()
    document = json.loads(caller.world.control.documents["ROUTES", MODEL])
    caller.world.control.documents["ROUTES", MODEL] = json.dumps({**document, "reducible": False})
    return await caller.embed({**ASKED, "dimensions": 3})


async def _chat() -> httpx.Response:
    caller = Caller()
    document = json.loads(caller.world.control.documents["ROUTES", MODEL])
    caller.world.control.documents["ROUTES", MODEL] = json.dumps({**document, "embeds": False, "targets": []})
    return await caller.embed(ASKED)


async def _without_ledger() -> httpx.Response:
    caller = Caller()
    caller.world.table.down = True
    return await caller.embed(ASKED)


async def _without_usage() -> httpx.Response:
    caller = Caller()
    caller.world.usage_table.down = True
    return await caller.send("GET", "/v1/usage", headers={"authorization": f"Bearer {caller.token()}"})


async def _without_routes() -> httpx.Response:
    caller = Caller()
    caller.world.control.down = True
    return await caller.send("GET", "/health")


async def _too_large_an_answer() -> httpx.Response:
    return await Caller(largest_answer_bytes=1_000).embed({**ASKED, "input": [SECRET] * 20})


async def _kept_answer() -> httpx.Response:
    return await Caller(Setup(largest_bytes=1_000)).embed({**ASKED, "input": [SECRET] * 20})


async def _our_fault() -> httpx.Response:
    caller = Caller()
    caller.world.cache.raises = RuntimeError(SECRET)
    return await caller.embed(ASKED)


async def _payment_required() -> httpx.Response:
    caller = Caller(_limited(day_nano_usd=10))
    caller.app = caller.app_with(budget_spent_status=402)
    return await caller.ask(SECRET)


def _limited(**limits: int) -> Setup:
    return Setup(limits=replace(LIMITS, **limits))


_FORM = {"content-type": "application/x-www-form-urlencoded"}

PROVOCATIONS: tuple[Provocation, ...] = (
    credential("no token", errors.CredentialMissing, lambda _: None),
    credential("no scheme", errors.CredentialInvalid, lambda caller: caller.token()),
    credential("no JWT", errors.CredentialInvalid, lambda _: f"Bearer {SECRET.replace(' ', '')}"),
    credential("forged", errors.CredentialInvalid, lambda caller: f"Bearer {caller.token()[:-9]}AAAAAAAAA"),
    credential("another issuer", errors.CredentialInvalid, lambda caller: f"Bearer {caller.token(issuer='x')}"),
    credential("no tenant", errors.CredentialInvalid, lambda caller: f"Bearer {caller.token(tenant='a/b')}"),
    credential("of the future", errors.CredentialInvalid, lambda caller: f"Bearer {caller.token(issued_s=2**40)}"),
    credential("too long a token", errors.CredentialInvalid, lambda _: f"Bearer {'x' * 10_000}"),
    credential("expired", errors.CredentialExpired, lambda caller: f"Bearer {caller.token(expires_s=1)}"),
    said("taken back", errors.CredentialRevoked, "REVOKED#own#id", "-", "{}"),
    credential("no scope", errors.ScopeMissing, lambda caller: f"Bearer {caller.token(scopes=('models',))}"),
    replace(
        credential("another's", errors.ModelNotAllowed, lambda caller: f"Bearer {caller.token(models=('x',))}"),
        param="model",
    ),
    body("half a body", errors.InvalidJson, None, f'{{"input": "{SECRET}'.encode()),
    body("not an object", errors.InvalidJson, None, [SECRET]),
    body("no input", errors.ParameterMissing, "input", {"model": MODEL}),
    body("no model", errors.ParameterMissing, "model", {"input": SECRET}),
    fields("an object", errors.InvalidType, "input", input={SECRET: 1}),
    fields("mixed", errors.InvalidType, "input[1]", input=[SECRET, 1]),
    fields("dimensions as text", errors.InvalidType, "dimensions", dimensions=SECRET),
    fields("empty text", errors.InvalidValue, "input[1]", input=[SECRET, ""]),
    fields("empty tokens", errors.InvalidValue, "input[0]", input=[()]),
    fields("no such token", errors.InvalidValue, "input", input=[-1]),
    fields("tokens for a model of text", errors.InvalidValue, "input", input=[1]),
    fields("empty model", errors.InvalidValue, "model", model=""),
    fields("no such encoding", errors.InvalidValue, "encoding_format", encoding_format=SECRET),
    fields("dimensions too small", errors.InvalidValue, "dimensions", dimensions=0),
    fields("dimensions too large", errors.InvalidValue, "dimensions", dimensions=9),
    in_world("text too large", errors.InvalidValue, "input[0]", Setup(body_bytes=10), SECRET),
    request(
        "long bot",
        errors.InvalidValue,
        "X-Bot-ID",
        "POST",
        "/v1/embeddings",
        json=ASKED,
        headers={"x-bot-id": "x" * 129},
    ),
    fields("no inputs", errors.EmptyArray, "input", input=[]),
    fields("too many inputs", errors.ArrayTooLong, "input", input=[SECRET] * 2049),
    fields("unknown field", errors.UnknownParameter, "truncate", truncate=SECRET),
    request("unknown parameter", errors.UnknownParameter, None, "GET", "/v1/usage", params={"tenant": SECRET}),
    request("no such days", errors.InvalidValue, "days", "GET", "/v1/usage", params={"days": SECRET}),
    request("no such day", errors.InvalidValue, "start", "GET", "/v1/usage", params={"start": SECRET}),
    request("no such group", errors.InvalidValue, "group_by", "GET", "/v1/usage", params={"group_by": SECRET}),
    Provocation("another size", errors.UnsupportedParameter, "dimensions", _of_one_size),
    in_world("too long", errors.ContextLengthExceeded, "input[0]", Setup(counts=True), FAR_TOO_LONG),
    in_world("too many tokens", errors.TooManyTokens, "input", Setup(counts=True), [FAR_TOO_LONG[:20_000]] * 60),
    Provocation("a chat model", errors.ModelNotEmbedding, "model", _chat),
    deed(errors.RefusedByProvider, "refuses the input", "input[0]"),
    replace(status(errors.CallTooLarge, 413), param="input[0]"),
    Provocation("answer kept", errors.AnswerElsewhere, None, _kept_answer),
    fields("no such model", errors.ModelNotFound, "model", model=SECRET),
    request("no such path", errors.UnknownUrl, None, "GET", "/v2/embeddings"),
    request("no such method", errors.MethodNotAllowed, None, "DELETE", "/v1/embeddings"),
    fields("body too large", errors.RequestTooLarge, None, input=SECRET + " " * MAX_BODY_BYTES),
    Provocation("answer too large", errors.RequestTooLarge, "input", _too_large_an_answer),
    request("a form", errors.UnsupportedMediaType, None, "POST", "/v1/embeddings", content=b"a=b", headers=_FORM),
    in_world("requests", errors.RequestRateLimited, None, _limited(requests_per_minute=1), SECRET, SECRET),
    in_world("tokens", errors.TokenRateLimited, None, _limited(tokens_per_minute=30), SECRET, SECRET[::-1]),
    in_world("more than a minute's tokens", errors.TokenRateLimited, None, _limited(tokens_per_minute=5), SECRET),
    in_world("day", errors.BudgetSpent, None, _limited(day_nano_usd=10), SECRET),
    in_world("month", errors.BudgetSpent, None, _limited(month_nano_usd=10), SECRET),
    in_world("total", errors.BudgetSpent, None, _limited(total_nano_usd=10), SECRET),
    said("blocked", errors.TenantBlocked, "TENANT#acme", "BLOCK#operator", '{"blocked": true, "at_s": 1}'),
    said("everybody blocked", errors.TenantBlocked, "TENANT#*", "BLOCK#guard#x", '{"blocked": true, "at_s": 1}'),
    said("not the tenant's model", errors.ModelNotAllowed, "TENANT#acme", "CONF", '{"version": 1, "models": ["x"]}'),
    Provocation("one address, too often", errors.AddressRateLimited, None, _flood),
    Provocation("payment required", errors.PaymentRequired, None, _payment_required),
    deed(errors.UpstreamRejected, "refuses the key"),
    deed(errors.UpstreamRejected, "quota spent"),
    deed(errors.UpstreamInvalidResponse, "not JSON"),
    deed(errors.UpstreamInvalidResponse, "drops one"),
    deed(errors.UpstreamInvalidResponse, "not finite"),
    deed(errors.UpstreamUnavailable, "busy"),
    deed(errors.UpstreamUnavailable, "unreachable"),
    deed(errors.UpstreamTimeout, "too slow"),
    status(errors.UpstreamCold, 503),
    status(errors.EmbeddingsNotAvailable, 501),
    Provocation("no ledger", errors.ServiceUnavailable, None, _without_ledger),
    Provocation("no usage", errors.ServiceUnavailable, None, _without_usage),
    Provocation("no routes", errors.ServiceUnavailable, None, _without_routes),
    Provocation("our fault", None, None, _our_fault),
)


async def _print() -> None:
    for one in PROVOCATIONS:
        response = await one.send()
        error = response.json()["error"]
        sys.stdout.write(f"{response.status_code} {error['code']} ({one.name})\n    {error['message']}\n")


if __name__ == "__main__":
    asyncio.run(_print())
