"""Is a document a route or refused by the name of what is wrong, with its price exact to the nano-dollar?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedge.core.route import CallLimits, Space, Tokenizer, Verified
from embedge.core.route_document import RouteDocument, parse_route, read_route
from embedge.errors import InvalidValue
from tests.core.samples import document, route, target

ROUTES = sorted((Path(__file__).parents[2] / "infra" / "routes").glob("*.json"))


@pytest.mark.parametrize("file", ROUTES, ids=lambda file: file.stem)
def test_every_route_that_is_delivered_is_one_and_is_named_like_its_file(file: Path) -> None:
    delivered = parse_route(file.read_text(encoding="utf-8"))
    assert delivered.alias == delivered.space.model == file.stem
    assert all(place.secret for place in delivered.targets)


def test_there_are_routes_delivered() -> None:
    assert len(ROUTES) >= 2


def test_a_document_means_this_route() -> None:
    read = route(
        names=["s", "tiny"],
        space={"model": "m", "revision": "r", "dimensions": 3, "normalised": False, "prompt": "query: "},
        tokenizer={"family": "bert", "file": "tokenizer.json"},
        targets=[
            target(id="later", priority=2, endpoint="https://b.test/", model="their-m", secret="env:KEY"),
            target(id="first", priority=1, limits={"inputs": 3, "concurrency": 2}),
        ],
        shared=True,
        ttl_s=61,
    )
    assert read.space == Space("m", "r", 3, normalised=False, prompt="query: ")
    assert read.tokenizer == Tokenizer("bert", "tokenizer.json")
    assert read.answers_to() == ("small", "s", "tiny", "m")
    assert (read.shared, read.ttl_s) == (True, 61)
    first, later = read.targets
    assert (first.id, first.model, first.secret) == ("first", "m", None)
    assert (later.id, later.model, later.secret, later.endpoint) == ("later", "their-m", "env:KEY", "https://b.test")
    assert first.limits == CallLimits(3, 300_000, 4_000_000, 2)


def test_targets_of_one_priority_stay_in_the_order_written() -> None:
    names = ["c", "a", "b"]
    assert [place.id for place in route(targets=[target(id=name) for name in names]).targets] == names


def test_a_target_that_is_out_of_service_is_none_of_those_that_serve() -> None:
    read = read_route(json.dumps(document(targets=[target(id="out", disabled="it drifted"), target(id="in")])))
    assert isinstance(read, RouteDocument)
    assert [place.id for place in read.route.targets] == ["in"]
    assert read.taken_out == {"out": "it drifted"}


def test_the_normal_form_says_what_is_not_the_default_and_reads_back_the_same() -> None:
    written = document(shared=False, targets=[target(price_usd_per_million_tokens="100.50", priority=0)])
    read = read_route(json.dumps(written))
    assert isinstance(read, RouteDocument)
    assert json.loads(read.text) == document(targets=[target(price_usd_per_million_tokens="100.5")])
    assert read_route(read.text) == read


def test_what_was_noted_of_a_route_is_kept_beside_what_it_says() -> None:
    read, noted = read_route(json.dumps(document())), Verified("0" * 64, "then", forced=True)
    assert isinstance(read, RouteDocument)
    again = read_route(read.noting(noted))
    assert isinstance(again, RouteDocument)
    assert (again.route.verified, again.text) == (noted, read.text)


@given(st.integers(0, 10**12 - 1), st.sampled_from(["text", "number"]))
def test_a_price_is_exact_to_the_nano_dollar(nano_usd: int, form: str) -> None:
    text = f"{nano_usd // 10**9}.{nano_usd % 10**9:09d}"
    written = json.dumps(document(targets=[target(price_usd_per_million_tokens="PRICE")]))
    read = parse_route(written.replace('"PRICE"', f'"{text}"' if form == "text" else text))
    assert read.targets[0].price_nano_usd_per_million_tokens == nano_usd


def test_a_route_is_held_at_its_dearest_target() -> None:
    prices = ["0.02", "0.13", "0"]
    dear = route(targets=[target(id=price, price_usd_per_million_tokens=price) for price in prices])
    assert dear.dearest() == 130_000_000


def in_space(**changes: Any) -> dict[str, Any]:
    return {"space": {**document()["space"], **changes}}


def in_target(**changes: Any) -> dict[str, Any]:
    return {"targets": [target(), target(**{"id": "two", **changes})]}


def in_limits(**changes: Any) -> dict[str, Any]:
    return in_target(limits=changes)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"alias": ""}, "alias"),
    ({"alias": "with space"}, "alias"),
    ({"alias": "line\nbreak"}, "alias"),
    ({"alias": "ünicode"}, "alias"),
    ({"alias": "a" * 201}, "alias"),
    ({"alias": 3}, "alias"),
    ({"alias": None}, "alias"),
    ({"names": "one"}, "names"),
    ({"names": ["good", ""]}, "names.1"),
    ({"space": None}, "space"),
    (in_space(model=""), "space.model"),
    (in_space(revision=None), "space.revision"),
    (in_space(dimensions=0), "space.dimensions"),
    (in_space(dimensions=-8), "space.dimensions"),
    (in_space(dimensions=65_536), "space.dimensions"),  # the stored form has two bytes for it
    (in_space(dimensions=8.5), "space.dimensions"),
    (in_space(dimensions="8"), "space.dimensions"),
    (in_space(dimensions=True), "space.dimensions"),
    (in_space(normalised="yes"), "space.normalised"),
    (in_space(normalised=1), "space.normalised"),
    (in_space(storage="f8"), "space.storage"),
    (in_space(storage="f16", normalised=False), "space.storage"),
    ({"admit": "sometimes"}, "admit"),
    ({"value_usd_per_million_tokens": "-1"}, "value_usd_per_million_tokens"),
    (in_space(prompt=None), "space.prompt"),
    ({"max_input_tokens": 0}, "max_input_tokens"),
    ({"max_input_tokens": "8192"}, "max_input_tokens"),
    ({"max_input_tokens": 10**30}, "max_input_tokens"),
    ({"tokenizer": "byte_bpe"}, "tokenizer"),
    ({"tokenizer": {"family": "xlm-r"}}, "tokenizer.family"),
    ({"tokenizer": {"family": "bert", "path": "x"}}, "tokenizer.path"),
    ({"tokenizer": {"family": "cl100k", "file": "x"}}, "tokenizer.file"),
    ({"token_inputs": "decoded"}, "token_inputs"),
    ({"reducible": "true"}, "reducible"),
    ({"shared": 1}, "shared"),
    ({"ttl_s": 59}, "ttl_s"),
    ({"ttl_s": 10**30}, "ttl_s"),
    ({"owned_by": ""}, "owned_by"),
    ({"created_s": -1}, "created_s"),
    ({"created_s": 10**30}, "created_s"),
    ({"unheard_of": 1}, "unheard_of"),
    ({"targets": []}, "targets"),
    ({"targets": [target(id=str(number)) for number in range(9)]}, "targets"),
    ({"targets": [target(), target()]}, "targets"),
    (in_target(id="a b"), "targets.1.id"),
    (in_target(provider="unheard-of"), "targets.1.provider"),
    (in_target(transport="carrier pigeon"), "targets.1.transport"),
    (in_target(endpoint=""), "targets.1.endpoint"),
    (in_target(secret="sk-not-a-reference"), "targets.1.secret"),
    (in_target(secret="env:KEY WITH SPACE"), "targets.1.secret"),
    (in_target(secret="env:KEY\n"), "targets.1.secret"),
    (in_target(price_usd_per_million_tokens="-0.01"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens="0.0000000001"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens="1e12"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens="NaN"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens="Infinity"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens="two cents"), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens=None), "targets.1.price_usd_per_million_tokens"),
    (in_target(price_usd_per_million_tokens=True), "targets.1.price_usd_per_million_tokens"),
    (in_target(priority="first"), "targets.1.priority"),
    (in_target(connect_timeout_s=0), "targets.1.connect_timeout_s"),
    (in_target(read_timeout_s=901), "targets.1.read_timeout_s"),
    (in_target(read_timeout_s="20"), "targets.1.read_timeout_s"),
    (in_target(weight=0), "targets.1.weight"),
    (in_target(reload="models/load"), "targets.1.reload"),
    (in_target(key_header="cookie"), "targets.1.key_header"),
    (in_target(disabled=""), "targets.1.disabled"),
    (in_target(disabled=True), "targets.1.disabled"),
    ({"targets": [target(disabled="it drifted")]}, "targets"),
    ({"verified": {"fingerprint": "yes", "at": "now"}}, "verified.fingerprint"),
    ({"targets": []}, "targets"),
    (in_limits(inputs=0), "targets.1.limits.inputs"),
    (in_limits(inputs=2049), "targets.1.limits.inputs"),
    (in_limits(tokens=0), "targets.1.limits.tokens"),
    (in_limits(body_bytes=0), "targets.1.limits.body_bytes"),
    (in_limits(concurrency=0), "targets.1.limits.concurrency"),
    (in_limits(concurrency=257), "targets.1.limits.concurrency"),
    (in_limits(rate=3), "targets.1.limits.rate"),
]


def served_by(
    provider: str, transport: str = "https", *, space: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """What a route changes to be served by this wire format."""
    served = target(provider=provider, transport=transport, **changes)
    return {"targets": [served], "token_inputs": "refused", **in_space(**(space or {}))}


SERVED: list[tuple[dict[str, Any], int]] = [
    (served_by("openai"), 2048),
    (served_by("openai", "sagemaker"), 2048),
    (served_by("tei"), 2048),
    (served_by("tei", "sagemaker"), 2048),
    (served_by("titan", "bedrock", space={"dimensions": 256}), 1),
    (served_by("cohere", space={"input_type": "search_query"}), 96),
    (served_by("cohere", "bedrock", space={"input_type": "clustering"}), 96),
    (served_by("cohere", space={"input_type": "search_query"}, limits={"inputs": 7}), 7),
    (served_by("voyage"), 1000),
    (served_by("voyage", space={"input_type": "document"}), 1000),
    (served_by("jina", space={"input_type": "retrieval.passage"}), 2048),
]


@pytest.mark.parametrize(("changes", "inputs"), SERVED)
def test_a_call_carries_what_its_wire_format_takes_or_what_the_operator_says(
    changes: dict[str, Any], inputs: int
) -> None:
    (served,) = route(**changes).targets
    assert served.limits.inputs == inputs


UNSERVED: list[tuple[dict[str, Any], str]] = [
    (served_by("titan", space={"dimensions": 256}), "transport: titan goes over 'bedrock'"),
    (served_by("openai", "bedrock"), "transport: openai goes over 'https', 'sagemaker'"),
    (served_by("cohere", "sagemaker", space={"input_type": "search_query"}), "transport: cohere goes over"),
    (served_by("voyage", "bedrock"), "transport: voyage goes over 'https'"),
    (served_by("jina", "sagemaker"), "transport: jina goes over 'https'"),
    (served_by("titan", "bedrock", space={"dimensions": 256}, limits={"inputs": 2}), "limits.inputs: .* at most 1$"),
    (served_by("cohere", space={"input_type": "search_query"}, limits={"inputs": 97}), "limits.inputs: .* most 96$"),
    (served_by("voyage", limits={"inputs": 1001}), "limits.inputs: .* at most 1000$"),
    (served_by("titan", "bedrock", space={"dimensions": 768}), "space.dimensions: titan has 1024, 256, 512"),
    (served_by("cohere"), "space.input_type: cohere has 'classification', 'clustering', 'search_document'"),
    (served_by("cohere", space={"input_type": "document"}), "space.input_type: cohere has"),
    (served_by("voyage", space={"input_type": "search_query"}), "space.input_type: voyage has '', 'document', 'query'"),
    (served_by("openai", space={"input_type": "query"}), "space.input_type: openai has ''"),
    (served_by("tei", space={"input_type": "query"}), "space.input_type: tei has ''"),
    (served_by("tei") | {"token_inputs": "native"}, "token_inputs: tei takes text only"),
    (served_by("voyage") | {"token_inputs": "native"}, "token_inputs: voyage takes text only"),
]


@pytest.mark.parametrize(("changes", "said"), UNSERVED)
def test_a_target_that_cannot_serve_its_route_is_refused_when_it_is_written(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        route(**changes)


def test_sources_are_for_people() -> None:
    sources = ["https://vendor.test/models, read 2026-11"]
    assert route(sources=sources) == route()
    with pytest.raises(InvalidValue, match=r"sources\.0: "):
        route(sources=[""])


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_a_field_that_is_wrong_is_refused_by_its_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        route(**changes)
    assert f"{field}: " in caught.value.message
    assert "sk-not-a-reference" not in caught.value.message


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"alias: .*; space\.dimensions: .*; targets\.1\.id: "):
        route(alias="", **in_space(dimensions=0), **in_target(id=""))


@pytest.mark.parametrize("missing", ["alias", "space", "targets", "max_input_tokens"])
def test_a_field_that_is_missing_is_named(missing: str) -> None:
    written = {name: value for name, value in document().items() if name != missing}
    with pytest.raises(InvalidValue, match=f"{missing}: "):
        parse_route(json.dumps(written))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"route"', b"\xff\xfe", "{}" * 2, "[" * 10_000, '{"alias": NaN}']
)
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidValue, match="This is not a route"):
        parse_route(text)


@settings(max_examples=40)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_any_json_is_a_route_or_refused(value: object) -> None:
    with pytest.raises(InvalidValue):
        parse_route(json.dumps(value))


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("http://api.openai.com/v1", "must be https"),
        ("ftp://api.openai.com/v1", "must be https"),
        ("https://sk-key@api.openai.com/v1", "no user"),
        ("https://user:sk-key@api.openai.com/v1", "no user"),
        ("https://api.openai.com/v1#x", "no user"),
        ("https:///v1", "a URL such as"),
        ("api.openai.com/v1", "a URL such as"),
        ("https://[::1/v1", "not a URL"),
        ("https://a:99999/v1", "not a URL"),
        ("https://169.254.169.254/latest", "leads inside"),
        ("https://localhost:8000/v1", "leads inside"),
        ("https://[::ffff:10.0.0.1]/v1", "leads inside"),
    ],
)
def test_an_endpoint_is_https_without_a_key_in_it_and_outside(endpoint: str, says: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        route(targets=[target(endpoint=endpoint)])
    assert says in caught.value.message
    assert "sk-key" not in caught.value.message


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8000/v1", "https://10.0.0.1/v1", "http://vllm.internal:8000/v1"]
)
def test_a_private_target_may_be_inside_and_without_tls(endpoint: str) -> None:
    assert route(targets=[target(endpoint=endpoint, private=True)]).targets[0].endpoint == endpoint
