"""Does the lane answer as Mangum and the whole application do, or not at all?"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mangum import Mangum

from embedge.api.answer import Answer, JsonPieces
from embedge.api.app import create_app
from embedge.api.lane import Lane, as_event_answer
from embedge.api.runtime_json import OrjsonMarshaller
from embedge.core.address_rate import AddressRates
from tests.api.client import Caller
from tests.embed.world import MODEL
from tests.fakes import FakeClock
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_GOOD = {"model": MODEL, "input": ["one", 'two " \\ \u2028 \U0001f600']}
_BODIES = st.sampled_from(
    [
        json.dumps(_GOOD).encode(),
        json.dumps({**_GOOD, "encoding_format": "base64", "user": "ü"}).encode(),
        json.dumps({**_GOOD, "dimensions": 0}).encode(),
        gzip.compress(json.dumps(_GOOD).encode()),
        gzip.compress(b"{")[:-3],
        b'{"model": "x", "model": "y"}',
        b"{",
        b"\xff\xfe",
        b" " * (4 * 1024 * 1024 + 1),
        b"",
    ]
)
_VALUES = st.sampled_from(
    ["gzip", "GZIP ", "identity", "br", "application/json; charset=utf-8", "text/plain", "a", "ü", ""]
)
_HEADERS = st.dictionaries(
    st.sampled_from(["Content-Encoding", "Content-Type", "X-Bot-ID", "x-bot-id", "Origin", "Expect", "Content-Length"]),
    _VALUES,
    max_size=3,
)
_PATHS = st.sampled_from(
    [
        *("/v1/embeddings", "/v1/embeddings", "/base/v1/embeddings", "/v1/embeddings/", "/v1//embeddings"),
        *("/v1/v1/embeddings", "/v1/embedd%69ngs", "/v1/models", "/embeddings", "/v1/embeddings\n", "/"),
    ]
)
_QUERIES = st.sampled_from(
    [
        *(
            None,
            {},
            {"ai_project_id": ["p"]},
            {"ai_project_id": ["p", "q"]},
            {"ai_project_id": ["ü"]},
            {"other": ["x"]},
        ),
        *({"ai_project_id": [""]}, {"ai_project_id": ["a b&c=%20+"]}, {"ai_project_id": ["x" * 300]}),
    ]
)


@pytest.fixture(autouse=True)
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    made.close()
    asyncio.set_event_loop(None)


def events() -> st.SearchStrategy[dict[str, Any]]:
    def event(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> dict[str, Any]:
        made = rest_event(method, path, {"Content-Type": "application/json", **headers}, body, FakeClock().now_s())
        made["multiValueQueryStringParameters"] = query
        return made

    return st.builds(event, st.sampled_from(["POST", "POST", "POST", "GET"]), _PATHS, _HEADERS, _BODIES, _QUERIES)


@settings(max_examples=150, deadline=None)
@given(events(), st.sampled_from(["good", "good", "none", "bad"]), st.booleans())
def test_what_the_lane_answers_the_application_would_have_answered(
    event: dict[str, Any],
    credential: str,
    several: bool,  # noqa: FBT001 (drawn)
) -> None:
    both = _Both()
    if credential != "none":
        token = both.caller.token() if credential == "good" else both.caller.token()[:-10] + "AAAAAAAAAA"
        event["headers"]["Authorization"] = f"Bearer {token}"
        event["multiValueHeaders"]["Authorization"] = [f"Bearer {token}"]
    if several:
        event["multiValueHeaders"]["X-Bot-ID"] = ["one", "two"]
    both.compare(event)


def test_a_plain_request_is_answered_by_the_lane_and_counted_once() -> None:
    both = _Both()
    event = _plain(both.caller)
    answer = both.compare(event)
    assert answer is not None
    assert answer["statusCode"] == 200
    assert [status for _, status in both.caller.records.seen] == [200]
    assert {observation.bot for observation, _ in both.caller.records.seen} == {"a-bot"}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(json.dumps(_GOOD).encode(), mtime=0), 200),
        ({"Content-Encoding": "gzip"}, json.dumps(_GOOD).encode(), 200),  # API Gateway has inflated it
        ({"Content-Encoding": "gzip"}, gzip.compress(b"{", mtime=0)[:-3], 400),
        ({}, b"[]", 400),
        ({"Content-Type": "text/plain"}, b"{}", 415),
    ],
)
def test_a_body_is_read_as_the_application_reads_it(headers: Mapping[str, str], body: bytes, status: int) -> None:
    both = _Both()
    event = _plain(both.caller)
    event["body"] = base64.b64encode(body).decode()
    event["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
    answer = both.compare(event)
    assert answer is not None
    assert answer["statusCode"] == status


def _objects(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner) | st.dictionaries(st.text(), inner)


@given(st.recursive(st.text() | st.floats(allow_nan=False) | st.none(), _objects, max_leaves=8))
def test_json_in_json_is_what_it_was(document: object) -> None:
    body = orjson.dumps(document)
    written = json.loads(as_event_answer(Answer(200, {}, (body,)), {"a": "b"}).joined())
    assert written == {
        "statusCode": 200,
        "headers": {"a": "b"},
        "multiValueHeaders": {},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("httpMethod", "GET"),
        ("path", "/v1/models"),
        ("path", None),
        ("version", "1.0"),
        ("requestContext", {"elb": {}}),
        ("body", "%%%"),
        ("headers", {"Authorization": None}),
        ("headers", {"X-Bot-ID": "a", "x-bot-id": "b"}),
        ("multiValueHeaders", {"Authorization": "no list"}),
        ("multiValueHeaders", {"Authorization": [None]}),
        ("multiValueHeaders", {"X-Bot-ID": ["a"], "x-bot-id": ["b"]}),
        ("multiValueHeaders", {"X-Bot-ID": ["ü"]}),
        ("multiValueHeaders", {"expect": ["100-continue"]}),
    ],
)
def test_what_is_no_plain_request_is_left_to_the_application(name: str, value: object) -> None:
    both = _Both()
    assert both.lane.answer({**_plain(both.caller), name: value}, None) is None


def test_a_page_is_left_to_the_application_where_pages_may_call() -> None:
    caller = Caller(cors_origins=("https://app.example.com",))
    lane = Lane(caller.serving, None, asyncio.get_event_loop(), _no_fault)
    event = _plain(caller)
    assert lane.answer(event, None) is not None
    event["multiValueHeaders"]["Origin"] = ["https://app.example.com"]
    assert lane.answer(event, None) is None


def test_an_address_that_asks_too_often_is_told_so_by_both_and_counted_by_both() -> None:
    caller = Caller()
    serving, rates = replace(caller.serving, requests_per_second_per_address=2), AddressRates(2)
    lane = Lane(serving, rates, asyncio.get_event_loop(), _no_fault)
    application = Mangum(create_app(serving, rates), lifespan="off")
    event = _plain(caller)
    answers = [_whole(lane.answer(event, None)), orjson.dumps(application(event, cast("Any", None)))]
    answers += [_whole(lane.answer(event, None)), orjson.dumps(application(event, cast("Any", None)))]
    read = [json.loads(answer) for answer in answers]
    assert [answer["statusCode"] for answer in read] == [200, 200, 429, 429]
    assert read[2]["body"] == read[3]["body"]
    other = {**event, "requestContext": {**event["requestContext"], "identity": {"sourceIp": "192.0.2.7"}}}
    assert json.loads(_whole(lane.answer(other, None)))["statusCode"] == 200


def test_a_fault_of_our_own_is_an_answer_and_is_told_of() -> None:
    class Broken:
        async def verify(self, credential: str | None) -> None:
            del credential
            raise RuntimeError("a fault")

    told: list[Exception] = []
    caller = Caller(authenticator=Broken())
    answer = Lane(caller.serving, None, asyncio.get_event_loop(), told.append).answer(_plain(caller), None)
    assert json.loads(_whole(answer))["statusCode"] == 500
    assert [str(error) for error in told] == ["a fault"]


def test_a_request_that_was_interrupted_costs_no_later_one_its_answer() -> None:
    class Slow:
        async def verify(self, credential: str | None) -> None:
            del credential
            await asyncio.sleep(next(waits_s))
            raise RuntimeError("a fault")

    def interrupt() -> None:
        raise KeyboardInterrupt

    waits_s, told = iter((0.02, 0.1, 0.05)), list[Exception]()
    caller = Caller(authenticator=Slow())
    lane, event = Lane(caller.serving, None, asyncio.get_event_loop(), told.append), _plain(caller)
    asyncio.get_event_loop().call_soon(asyncio.get_event_loop().call_soon, interrupt)
    with pytest.raises(KeyboardInterrupt):
        lane.answer(event, None)
    assert [json.loads(_whole(lane.answer(event, None)))["statusCode"] for _ in range(2)] == [500, 500]
    assert len(told) == 3


def test_the_marshaller_writes_what_json_can_and_leaves_the_rest_to_the_clients_own() -> None:
    marshaller = OrjsonMarshaller(_TheirOwn())
    assert marshaller.unmarshal_request(b'{"a": 1}') == {"a": 1}
    assert marshaller.unmarshal_request(b"NaN") == (b"NaN", "application/json")
    assert marshaller.marshal_response({"a": "\u00e4"}) == ('{"a":"\u00e4"}'.encode(), "application/json")
    pieces = JsonPieces([b"{", memoryview(b"}")])
    assert marshaller.marshal_response(pieces) == (b"{}", "application/json")
    assert OrjsonMarshaller(_TheirOwn(), in_pieces=True).marshal_response(pieces) == (pieces, "application/json")
    assert marshaller.marshal_response({"a": object()}) == ("plain", "application/json")


class _TheirOwn:
    """The runtime client's marshaller."""

    def unmarshal_request(self, request: bytes, content_type: str = "") -> object:
        return request, content_type

    def marshal_response(self, response: object) -> tuple[str, str]:
        assert response
        return "plain", "application/json"


def _whole(answer: JsonPieces | None) -> bytes:
    assert answer is not None
    return answer.joined()


def _no_fault(error: Exception) -> None:
    raise error


class _Both:
    """The lane, and the whole application, in worlds of their own that are alike."""

    def __init__(self) -> None:
        self.caller, other = Caller(), Caller()
        self.lane = Lane(self.caller.serving, None, asyncio.get_event_loop(), _no_fault)
        self._application = Mangum(other.app, lifespan="off")

    def compare(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Hold the lane's answer against the application's; return it, if there is one."""
        context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
        given = self.lane.answer(event, context)
        if given is None:
            return None
        answer, expected = json.loads(given.joined()), self._application(event, context)
        for one in (answer, expected):
            assert one["headers"].pop("openai-processing-ms").isdecimal()
        assert answer == expected
        return answer


def _plain(caller: Caller) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {caller.token()}",
        "Content-Type": "application/json",
        "X-Bot-ID": "a-bot",
    }
    event = rest_event("POST", "/prefix/v1/embeddings", headers, json.dumps(_GOOD).encode(), FakeClock().now_s())
    assert base64.b64decode(event["body"])
    return event
