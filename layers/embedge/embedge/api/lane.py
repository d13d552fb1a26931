"""How does API Gateway reach `POST /v1/embeddings` without a framework in between? By the shortest way there is.

The law: it answers as Mangum and the FastAPI application would, or not at all, and then those do (a test compares). It
is here because importing both takes 0.15 s of a start, and going through both a third of what a hit takes.

What is anything but a plain request for embeddings is not answered here: other calls, a page's, what is too large, or
what anybody could read in two ways.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias, cast
from urllib.parse import unquote
from uuid import uuid4

import orjson
import pybase64

from embedge.api.address_refusal import is_exempt, too_often
from embedge.api.answer import JSON, Answer, JsonPieces
from embedge.api.deadline import seconds_left
from embedge.api.embeddings import Asked, answered, refused
from embedge.api.error_table import error_answer
from embedge.api.received_body import ReceivedBody, behind_gateway
from embedge.api.serving import Serving
from embedge.core.address_rate import AddressRates
from embedge.core.request import MAX_BODY_BYTES, Observation
from embedge.errors import EmbedgeError

Event: TypeAlias = dict[str, Any]
_CALL = "/v1/embeddings"
# What is read here, and is read in several ways where it is not ASCII.
_READ = ("authorization", "content-encoding", "content-type", "x-bot-id", "origin")
_ELSEWHERE = frozenset({"content-length", "expect"})  # what a body is held to before it is taken in
_PROJECT = "ai_project_id"
_OF_TEXTS, _OF_LISTS = frozenset({str}), frozenset({list})  # what JSON's values are, and no class below those


class Lane:
    """Answers the events of a REST API that ask for embeddings."""

    def __init__(
        self,
        serving: Serving,
        address_rates: AddressRates | None,
        loop: asyncio.AbstractEventLoop,
        on_fault: Callable[[Exception], None],
    ) -> None:
        """Take what the API stands on, what addresses count by, the clients' loop, and whom to tell of a fault."""
        self._serving = serving
        self._address_rates = address_rates
        self._loop = loop
        self._on_fault = on_fault

    def answer(self, event: Event, context: object) -> JsonPieces | None:
        """Return what Lambda is to return, as JSON, or None where the framework has to be asked."""
        started = time.perf_counter()
        asked = self._asked(event, context) if _is_call(event) else None
        if asked is None:
            return None
        address = str(event["requestContext"].get("identity", {}).get("sourceIp", ""))
        answer = self._run(self._answered(asked, address))
        latency_ms = (time.perf_counter() - started) * 1000
        self._serving.telemetry.record(asked.observation, answer.status, latency_ms, asked.request_id)
        return as_event_answer(answer, _headers_of(answer, asked.request_id, int(latency_ms)))

    def _run(self, answering: Coroutine[Any, Any, Answer]) -> Answer:
        """Run the loop until there is an answer, and not one turn longer, as `run_until_complete` would."""
        task = self._loop.create_task(self._ending(answering))
        while not task.done():  # what an interrupted request left behind may end, and stop the loop
            self._loop.run_forever()
        return task.result()

    async def _ending(self, answering: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return await answering
        finally:
            self._loop.stop()

    async def _answered(self, asked: Asked, address: str) -> Answer:
        try:
            await self._check_address(asked, address)
            return await answered(asked, self._serving)
        except EmbedgeError as error:
            return refused(error, asked.request_id, asked.observation)
        except Exception as error:  # noqa: BLE001 (the last place that can turn a fault into an answer)
            self._on_fault(error)
            fault = error_answer(error, asked.request_id)
            return Answer(fault.status, fault.headers, (fault.body,))

    async def _check_address(self, asked: Asked, address: str) -> None:
        """Let a request pass. Raises: AddressRateLimited."""
        if self._address_rates is None:
            return
        wait_us = self._address_rates.wait_us(address, int(self._serving.clock.now_s() * 1_000_000))
        if wait_us and not await is_exempt(asked.credential, self._serving.services.authenticator):
            raise too_often(self._serving.requests_per_second_per_address, wait_us)

    def _asked(self, event: Event, context: object) -> Asked | None:
        headers, body, project = _headers(event), _body(event), _project(event)
        if headers is None or body is None or project is None:
            return None
        if self._serving.cors_origins and "origin" in headers:
            return None
        encoding = behind_gateway(body, headers.get("content-encoding", "").strip().lower())
        scope = {"aws.event": event, "aws.context": context}
        return Asked(
            body=ReceivedBody(body, headers.get("content-type", ""), encoding),
            credential=headers.get("authorization"),
            bot=headers.get("x-bot-id"),
            project=project or None,
            left_s=seconds_left(scope, self._serving.clock.now_s(), self._serving.longest_request_s),
            request_id=str(event["requestContext"].get("requestId") or f"req_{uuid4().hex}"),
            observation=Observation(),
        )


def _is_call(event: Event) -> bool:
    """Tell whether an event is one of a REST API, and asks for embeddings under any base path."""
    path, context = event.get("path"), event.get("requestContext")
    if event.get("httpMethod") != "POST" or not isinstance(path, str) or not isinstance(context, dict):
        return False
    of_rest_api = "resource" in event and "version" not in event and "elb" not in context
    at_its_end = path.find("/v1/") == len(path) - len(_CALL) and path.endswith(_CALL)
    return of_rest_api and at_its_end and path.isprintable() and unquote(path) == path


def _headers(event: Event) -> Mapping[str, str] | None:
    """Return those headers that are read, by their names in lower case; None where one could mean several things.

    There are many more than those, so what is done for each is done by one call for all.
    """
    given: Event = event.get("headers") or {}
    several: Event = event.get("multiValueHeaders") or {}
    if not _OF_TEXTS.issuperset(map(type, given.values())) or not _OF_LISTS.issuperset(map(type, several.values())):
        return None
    read = _read_of(tuple(several if given.keys() <= several.keys() else {**given, **several}))
    try:
        "".join(chain.from_iterable(several.values()))
    except TypeError:  # not texts alone
        return None
    if read is None:
        return None
    headers = {name: ", ".join(several[own]) if own in several else given[own] for name, own in read}
    return headers if "".join(headers.values()).isascii() else None


@lru_cache(maxsize=256)  # one client's requests have headers of the same names
def _read_of(names: tuple[str, ...]) -> tuple[tuple[str, str], ...] | None:
    """Return which of these headers are read, each with its name as it came; None where two are one, or not for us."""
    own_names = {name.lower(): name for name in names}
    if len(own_names) < len(names) or not own_names.keys().isdisjoint(_ELSEWHERE):
        return None
    return tuple((name, own_names[name]) for name in _READ if name in own_names)


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in cast("list[object]", values))


def _body(event: Event) -> bytes | None:
    """Return the body; None where there is none, or it is too large, or is not the base64 that it is said to be."""
    text = event.get("body")
    if not isinstance(text, str):
        return None
    try:
        body = pybase64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except ValueError:
        return None
    return body if 0 < len(body) <= MAX_BODY_BYTES else None


def _project(event: Event) -> str | None:
    """Return the project that the query names, "" where it has no parameters; None where it says more than that."""
    query: Event = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    if not query:
        return ""
    value: object = query.get(_PROJECT)
    if _are_texts(value):
        value = "\n".join(cast("list[str]", value))  # of several, none is printable
    simple = len(query) == 1 and isinstance(value, str) and value.isascii() and value.isprintable()
    return cast("str", value) or None if simple else None


def _headers_of(answer: Answer, request_id: str, spent_ms: int) -> dict[str, str]:
    return {
        **answer.headers,
        "content-length": str(answer.size_bytes),
        "content-type": JSON,
        "x-request-id": request_id,
        "openai-processing-ms": str(spent_ms),
        "cache-control": "private, no-store",
    }


def as_event_answer(answer: Answer, headers: Mapping[str, str]) -> JsonPieces:
    """Return the JSON that API Gateway is to be given.

    The body is JSON inside of JSON, and the most of it is vectors, in which nothing has to be escaped once more: so
    those parts are not even looked at.
    """
    start = orjson.dumps({"statusCode": answer.status, "headers": headers, "multiValueHeaders": {}})[:-1]
    return JsonPieces([start + b',"body":"', *answer.in_json(), b'","isBase64Encoded":false}'])
