"""Is the document that the API gives of itself true, and is it made for nobody but who asks?"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_args

import pytest

from embedge import errors
from embedge.api.error_table import OUR_FAULT, TABLE
from embedge.core.request import MAX_INPUTS, EmbeddingRequest, Encoding, ServiceTier
from tests.api.client import Caller
from tests.api.provocations import PROVOCATIONS, Provocation
from tests.api.served import body_of, through_lambda
from tests.embed.world import MODEL
from tests.functions.rest_event import rest_event

if TYPE_CHECKING:
    import httpx

# What the server and the client's library say, and not the API.
OF_HTTP = {"content-type", "content-length", "date", "server", "connection"}


async def described() -> dict[str, Any]:
    """Return the document."""
    response = await Caller().send("GET", "/openapi.json")
    assert response.status_code == 200
    return response.json()


def operation_of(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """Return what the document says of a call, None where it says nothing of the path or the method."""
    template = "/v1/models/{model}" if path.startswith("/v1/models/") else path
    return document["paths"].get(template, {}).get(method.lower())


def undescribed(document: dict[str, Any], response: httpx.Response) -> set[str]:
    """Return the headers of an answer that the document does not give to it, nor lacks it that it requires."""
    operation = operation_of(document, response.request.method, response.request.url.path)
    assert operation is not None
    said = operation["responses"][str(response.status_code)]["headers"]
    required = {name for name in said if document["components"]["headers"][name]["required"]}
    return (response.headers.keys() - said.keys() - OF_HTTP) | (required - response.headers.keys())


async def test_every_row_of_the_table_is_described_where_it_can_come() -> None:
    answers = operation_of(await described(), "POST", "/v1/embeddings")
    assert answers is not None
    for row in (
        *(TABLE[kind] for kind in TABLE if kind not in {errors.UnknownUrl, errors.MethodNotAllowed}),
        OUR_FAULT,
    ):
        schema = answers["responses"][str(row.status)]["content"]["application/json"]["schema"]
        narrowed = schema["allOf"][1]["properties"]["error"]["properties"]
        assert row.type in narrowed["type"]["enum"], row
        assert row.code in narrowed["code"]["enum"], row


@pytest.mark.parametrize("provocation", [pytest.param(one, id=one.name) for one in PROVOCATIONS])
async def test_the_headers_of_every_error_are_described(provocation: Provocation) -> None:
    if provocation.kind in {errors.UnknownUrl, errors.MethodNotAllowed}:
        return  # answers to what the document does not have
    assert not undescribed(await described(), await provocation.send())


async def test_the_headers_of_every_good_answer_are_described() -> None:
    caller = Caller()
    document = await described()
    headers = {"authorization": f"Bearer {caller.token()}"}
    for path in ("/v1/models", f"/v1/models/{MODEL}", "/v1/usage", "/health", "/openapi.json"):
        assert not undescribed(document, await caller.send("GET", path, headers=headers))
    assert not undescribed(document, await caller.ask("a"))
    assert not undescribed(document, await caller.ask("a", encoding_format="base64"))


async def test_the_fields_of_a_request_and_their_limits_are_those_that_are_checked() -> None:
    schema = (await described())["components"]["schemas"]["CreateEmbeddingRequest"]
    names = {field.name for field in dataclasses.fields(EmbeddingRequest)} - {"inputs"} | {"input"}
    assert schema["properties"].keys() == names
    assert schema["required"] == ["model", "input"]
    assert schema["properties"]["encoding_format"]["enum"] == [*get_args(Encoding), None]
    assert schema["properties"]["service_tier"]["enum"] == [*get_args(ServiceTier), None]
    assert {form.get("maxItems") for form in schema["properties"]["input"]["oneOf"]} == {None, MAX_INPUTS}


async def test_the_fields_of_every_answer_are_described() -> None:
    caller = Caller()
    schemas = (await described())["components"]["schemas"]
    headers = {"authorization": f"Bearer {caller.token()}"}
    embedded = (await caller.ask("a")).json()
    model = (await caller.send("GET", f"/v1/models/{MODEL}", headers=headers)).json()
    response = schemas["CreateEmbeddingResponse"]["properties"]
    assert embedded.keys() | {"service_tier"} == response.keys()
    assert embedded["usage"].keys() == response["usage"]["properties"].keys()
    assert embedded["data"][0].keys() == response["data"]["items"]["properties"].keys()
    assert model.keys() == schemas["Model"]["properties"].keys()


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json", "/openapi.json/", "//v1//openapi.json"])
@pytest.mark.parametrize("base", ["", "/prod", "/a b"])
async def test_it_says_under_which_base_path_it_was_asked_for(base: str, path: str) -> None:
    response = await Caller().send("GET", f"http://embedge.test{base}{path}")
    assert response.json()["servers"] == [{"url": base.replace(" ", "%20") or "/"}]


async def test_it_names_no_other_server_whoever_asks() -> None:
    response = await Caller().send("GET", "http://embedge.test//other.test/openapi.json")
    assert response.json()["servers"] == [{"url": "/other.test"}]


def test_behind_api_gateway_the_base_is_its_stage_or_a_custom_domain_s() -> None:
    staged = rest_event("GET", "/v1/openapi.json", {}, None)
    custom = rest_event("GET", "/api/v1/openapi.json", {}, None)
    custom["requestContext"]["path"] = "/api/v1/openapi.json"
    answers = through_lambda(Caller().app, staged, custom)
    assert [body_of(answer)["servers"] for answer in answers] == [[{"url": "/prod"}], [{"url": "/api"}]]


@pytest.mark.slow
@pytest.mark.xdist_group("imports")
def test_nothing_of_it_is_read_before_somebody_asks() -> None:
    script = """
import asyncio, sys
from tests.api.client import Caller
async def ask():
    caller = Caller()
    for path in ("/health", "/v1/models", "/v1/embeddings"):
        await caller.send("GET", path)
    await caller.ask("a")
    before = [name for name in sys.modules if "openapi_" in name or name == "embedge.api.openapi"]
    await caller.send("GET", "/openapi.json")
    after = [name for name in sys.modules if name.startswith("embedge.api.openapi")]
    return before, len(after)
print(asyncio.run(ask()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "([], 3)", done.stdout + done.stderr
