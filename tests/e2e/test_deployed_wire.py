"""What does the deployed whole put on the wire, whatever asks it?"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from embedge.core.request import MAX_BODY_BYTES
from tests.e2e.curl import Answer, curl
from tests.e2e.deployed import MODEL, PAGE

if TYPE_CHECKING:
    from tests.e2e.deployed import Deployed

# One deployment serves them all, so one process runs them all.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("deployed app")]

JSON = ("--header", "Content-Type: application/json")


@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/embeddings/", "/prod/v1/embeddings", "/team/api/v1/embeddings"]
)
def test_curl_is_answered_under_any_base_path_with_the_headers_of_every_answer(deployed: Deployed, path: str) -> None:
    answer = curl(f"{deployed.url}{path}", *deployed.bearer(), *JSON, body=wanting("curl"))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert_has_every_answer_s_headers(answer)
    assert {"x-embedge-cache", "x-embedge-target", "x-embedge-cost-usd"} <= answer.headers.keys()
    assert answer.headers["x-ratelimit-limit-requests"] == "6000"
    assert [len(row["embedding"]) for row in answer.json()["data"]] == [384]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v2/embeddings", 404, "unknown_url"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/embeddings", 405, "method_not_allowed"),
        ("POST", "/v1/embeddings", 401, "missing_api_key"),
        ("GET", f"/v1/models/{MODEL}", 401, "missing_api_key"),
    ],
)
def test_errors_of_every_kind_have_one_shape(
    deployed: Deployed, method: str, path: str, status: int, code: str
) -> None:
    answer = curl(f"{deployed.url}{path}", "--request", method)
    assert (answer.status, answer.error()["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)
    assert_has_every_answer_s_headers(answer)


def test_bodies_arrive_as_they_were_sent(deployed: Deployed) -> None:
    url, who = f"{deployed.url}/v1/embeddings", deployed.bearer()
    start = wanting("4 MB").removesuffix(b"}") + b', "user": "'
    quotes = b'\\"' * ((MAX_BODY_BYTES - len(start)) // 2 - 1)
    largest = (start + quotes).ljust(MAX_BODY_BYTES - 2, b"u") + b'"}'
    assert curl(url, *who, *JSON, body=largest).status == 200
    over = curl(url, *who, *JSON, body=largest + b" ")
    assert (over.status, over.error()["code"]) == (413, "request_too_large")
    text = curl(url, *who, "--header", "Content-Type: text/plain", body=wanting("a"))
    assert (text.status, text.error()["code"]) == (415, "unsupported_media_type")
    broken = curl(url, *who, *JSON, body=b'{"model": "\xff"}')
    assert (broken.status, broken.error()["code"]) == (400, "invalid_json")


def test_a_body_may_be_gzip(deployed: Deployed) -> None:
    url, options = f"{deployed.url}/v1/embeddings", (*deployed.bearer(), *JSON, "--header", "Content-Encoding: gzip")
    plain = curl(url, *deployed.bearer(), *JSON, body=wanting("gzip or not"))
    zipped = curl(url, *options, body=gzip.compress(wanting("gzip or not")))
    assert (zipped.status, zipped.headers["x-embedge-cache"]) == (200, "hits=1; misses=0")
    assert zipped.body == plain.body
    bomb = curl(url, *options, body=gzip.compress(bytes(64 * 1024 * 1024)))
    assert (bomb.status, bomb.error()["code"]) == (413, "request_too_large")


def test_a_page_of_a_named_origin_may_call_and_another_may_not(deployed: Deployed) -> None:
    url = f"{deployed.url}/v1/embeddings"
    asking = ("--header", "Access-Control-Request-Method: POST", "--header", "Access-Control-Request-Headers: x-a,x-b")
    ours, others = ("--header", f"Origin: {PAGE}"), ("--header", "Origin: https://other.example.com")
    preflight = curl(url, "--request", "OPTIONS", *ours, *asking)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert preflight.headers["access-control-allow-headers"] == "x-a,x-b"
    refused = curl(url, "--request", "OPTIONS", *others, *asking)
    assert (refused.status, refused.error()["code"]) == (400, "invalid_value")
    answer = curl(url, *ours, *deployed.bearer(), *JSON, body=wanting("a page"))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    stranger = curl(url, *ours)
    assert (stranger.status, stranger.headers["access-control-allow-origin"]) == (405, PAGE)
    for one in (preflight, refused, answer, stranger):
        assert_has_every_answer_s_headers(one)


def test_anybody_may_ask_whether_it_serves(deployed: Deployed) -> None:
    answer = curl(f"{deployed.url}/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert_has_every_answer_s_headers(answer)


def assert_has_every_answer_s_headers(answer: Answer) -> None:
    assert answer.headers["x-request-id"]
    assert answer.headers["openai-processing-ms"].isdecimal()
    assert answer.headers["cache-control"] == "private, no-store"


def wanting(text: str) -> bytes:
    """Return the body that asks for one vector."""
    return json.dumps({"model": MODEL, "input": text}).encode()
