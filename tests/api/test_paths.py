"""Which paths and methods lead where? The same over ASGI, over sockets, and through API Gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest

from embedge.api.envelope import own_path
from tests.api.client import Caller, error_of
from tests.api.served import body_of, served, through_lambda
from tests.embed.world import MODEL
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("BAAI/bge-m3", "a/v1/b", "v1", "health", "openapi.json", "models", "a//b", "v1/models/x", "x/health")
BASES = ("", "/prod", "/api", "/a/b/c", "/api/v2", "/")


def caller_with(*names: str) -> Caller:
    """Return the API with one model that has these names, too."""
    caller = Caller()
    document = json.loads(caller.world.control.documents["ROUTES", MODEL])
    caller.world.control.documents["ROUTES", MODEL] = json.dumps({**document, "names": names})
    return caller


def ways_to_ask(name: str) -> list[str]:
    """Return the paths under which clients ask for a model: slashes as they are, and escaped."""
    return [f"{base}/v1/models/{shown}{end}" for base in BASES for shown in _escapes(name) for end in ("", "/", "//")]


def _escapes(name: str) -> set[str]:
    return {name, name.replace("/", "%2F"), name.replace("/", "%2f")}


@pytest.mark.parametrize("base", BASES)
async def test_any_base_path_a_trailing_slash_and_doubled_ones_are_taken(base: str) -> None:
    caller = Caller()
    body = {"model": MODEL, "input": "a"}
    for path in ("/v1/embeddings", "/v1/embeddings/", "/v1//embeddings", "//v1/embeddings//"):
        assert (await caller.embed(body, path=f"http://embedge.test{base}{path}")).status_code == 200, path
    assert (await caller.send("GET", f"http://embedge.test{base}/health")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/v1/models/a/v1/b", "/v1/models/a/v1/b"),
        ("/v1/models/x/health", "/v1/models/x/health"),
        ("/v1", "/v1"),
        ("/", "/"),
        ("", "/"),
        ("/prod/v1/", "/v1"),
        ("//health", "/health"),
        ("/unhealth", "/unhealth"),
        ("/health\n", "/health\ufffd"),
        ("//v1//models//BAAI//x//", "/v1/models/BAAI//x"),
        ("/prod/openapi.json", "/openapi.json"),
    ],
)
def test_the_base_is_all_before_the_first_v1(path: str, own: str) -> None:
    assert own_path(path) == own


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_is_found_by_any_name_under_any_base_however_its_slashes_are_sent(name: str) -> None:
    caller = caller_with(name)
    headers = {"authorization": f"Bearer {caller.token()}"}
    for path in ways_to_ask(name):
        response = await caller.send("GET", f"http://embedge.test{path}", headers=headers)
        assert (response.status_code, response.json().get("id")) == (200, MODEL), path


@pytest.fixture(scope="module")
def url() -> Iterator[tuple[str, str]]:
    caller = caller_with(*NAMES)
    with served(caller.app) as url:
        yield url, caller.token()


@pytest.mark.parametrize("name", NAMES)
def test_so_it_is_over_sockets(url: tuple[str, str], name: str) -> None:
    root, token = url
    with httpx.Client(headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
        for path in ways_to_ask(name):
            response = client.get(f"{root}{path}")
            assert (response.status_code, response.json().get("id")) == (200, MODEL), path


@pytest.mark.parametrize("name", NAMES)
def test_so_it_is_through_api_gateway_s_own_domain_and_through_a_custom_one(name: str) -> None:
    caller = caller_with(name)
    headers = {"Authorization": f"Bearer {caller.token()}"}
    events = [
        event
        for path in ways_to_ask(name)
        for event in (
            rest_event("GET", path, headers, None),
            rest_event("GET", unquote(path), headers, None),  # API Gateway decodes `path`, emulators do not
            rest_event("GET", path, headers, None) | {"pathParameters": {"proxy": unquote(path).lstrip("/")}},
        )
    ]
    for event, answer in zip(events, through_lambda(caller.app, *events), strict=True):
        assert (answer["statusCode"], body_of(answer).get("id")) == (200, MODEL), event["path"]


@pytest.mark.parametrize(
    "name",
    ["x%0d%0aX", "%0a", "x%00", "%F0%9F%98%80", "%E6%A8%A1", "%ff%fe", "a%3Fb", "%2e%2e%2fhealth", "x" * 8000, "%20"],
)
async def test_a_name_that_no_model_can_have_is_a_model_that_is_not_found(name: str, url: tuple[str, str]) -> None:
    root, token = url
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        responses = [
            await Caller().send("GET", f"/v1/models/{name}", headers={"authorization": f"Bearer {Caller().token()}"}),
            await client.get(f"{root}/prod/v1/models/{name}", headers=headers),
        ]
    for response in responses:
        error = error_of(response)
        assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/models/{MODEL}", "/health", "/openapi.json"])
async def test_head_is_answered_as_get_is_but_for_the_body(path: str) -> None:
    caller = Caller()
    headers = {"authorization": f"Bearer {caller.token()}"}
    got = await caller.send("GET", path, headers=headers)
    head = await caller.send("HEAD", path, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert head.headers.keys() == got.headers.keys()


async def test_an_error_to_head_has_no_body_either(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller()
    refused = await caller.send("HEAD", "/v1/models")
    assert (refused.status_code, refused.content) == (401, b"")
    assert (await caller.send("HEAD", "/nowhere")).content == b""
    assert caplog.text == ""


def test_head_is_the_same_over_sockets_and_through_api_gateway(url: tuple[str, str]) -> None:
    root, token = url
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        for _ in range(2):  # the connection stays in step
            assert client.head(f"{root}/v1/models").content == b""
        assert client.get(f"{root}/v1/models").json()["object"] == "list"
    (answer,) = through_lambda(Caller().app, rest_event("HEAD", "/health", {}, None))
    assert (answer["statusCode"], answer["body"]) == (200, "")


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALLOWED: dict[str, Any] = {
    "/v1/embeddings": "POST",
    "/v1/models": "GET, HEAD",
    f"/v1/models/{MODEL}": "GET, HEAD",
    "/health": "GET, HEAD",
    "/openapi.json": "GET, HEAD",
    "/v1/openapi.json": "GET, HEAD",
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_a_method_that_a_url_does_not_take_is_405_and_says_which_it_does(path: str) -> None:
    for method in METHODS:
        if method in ALLOWED[path].split(", "):
            continue
        response = await Caller().send(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, ALLOWED[path]), method
        if method != "HEAD":
            assert error_of(response)["code"] == "method_not_allowed"
            assert f"It takes {ALLOWED[path]}." in error_of(response)["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v2/embeddings"), ("POST", "/v1"), ("GET", "/docs"), ("GET", "/v1/health/x")],
)
async def test_an_unknown_url_is_ours_to_refuse(method: str, path: str) -> None:
    response = await Caller().send(method, path)
    assert (response.status_code, error_of(response)["code"]) == (404, "unknown_url")
