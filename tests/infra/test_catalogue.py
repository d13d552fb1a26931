"""Is every model of the catalogue a route that can be used, with the numbers that its sources say?"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from embedge.cli.route_files import routes_in
from embedge.core.route_document import parse_route
from embedge.core.routing import by_name
from embedge.errors import InvalidValue

if TYPE_CHECKING:
    from embedge.core.route import Route

ROUTES = Path(__file__).parents[2] / "infra" / "routes"
CATALOGUE = (ROUTES / "catalogue.yaml").read_bytes()
ENTRIES = cast("list[dict[str, Any]]", yaml.safe_load(CATALOGUE)["routes"])
TO_BE_SET = "TO BE SET"

# Written by hand from the sources, a second time: dimensions, whether they can be reduced, the most tokens of an input,
# the inputs of a call, and dollars a million tokens.
MODELS: dict[str, tuple[int, bool, int, int, str]] = {
    "text-embedding-3-small": (1536, True, 8192, 2048, "0.02"),
    "text-embedding-3-large": (3072, True, 8192, 2048, "0.13"),
    "text-embedding-ada-002": (1536, False, 8192, 2048, "0.10"),
    "BAAI/bge-m3": (1024, False, 8192, 2048, "0.01"),
    "BAAI/bge-large-en-v1.5": (1024, False, 512, 2048, "0.01"),
    "BAAI/bge-large-zh-v1.5": (1024, False, 512, 2048, "0.01"),
    "BAAI/bge-en-icl": (4096, False, 32768, 2048, "0.01"),
    "jina-clip-v1": (768, False, 8192, 2048, "0.04"),
    "jina-embeddings-v2-base-en": (768, False, 8192, 2048, "0.05"),
    "jina-embeddings-v2-base-de": (768, False, 8192, 2048, "0.05"),
    "jina-embeddings-v2-base-zh": (768, False, 8192, 2048, "0.05"),
    "jina-embeddings-v2-base-es": (768, False, 8192, 2048, "0.05"),
    "jina-embeddings-v2-base-code": (768, False, 8192, 2048, "0.05"),
    "Baichuan-Text-Embedding": (1024, False, 512, 16, "0.088"),
    "netease-youdao/bce-embedding-base_v1": (768, False, 512, 2048, "0.02"),
    "zhipu-embedding-2": (1024, False, 512, 2048, "0.07"),
    "Qwen/Qwen3-Embedding-0.6B": (1024, True, 32768, 2048, "0.01"),
    "amazon.titan-embed-text-v2:0": (1024, False, 8192, 1, "0.02"),
    "cohere.embed-english-v3": (1024, False, 512, 96, "0.10"),
    "cohere.embed-english-v3/search_query": (1024, False, 512, 96, "0.10"),
    "cohere.embed-multilingual-v3": (1024, False, 512, 96, "0.10"),
    "cohere.embed-multilingual-v3/search_query": (1024, False, 512, 96, "0.10"),
    "voyage-3.5": (1024, True, 32000, 1000, "0.06"),
    "voyage-4": (1024, True, 32000, 1000, "0.06"),
    "nomic-embed-text": (768, False, 2048, 2048, TO_BE_SET),
    "all-MiniLM-L6-v2": (384, False, 256, 32, TO_BE_SET),
}
EMBEDDING = [entry for entry in ENTRIES if entry.get("embeds", True)]
TEMPLATES = [entry for entry in EMBEDDING if MODELS[entry["alias"]][4] == TO_BE_SET]


def filled_in(entry: dict[str, Any]) -> Route:
    """Return the route of an entry, of a template as an operator fills it in."""
    return parse_route(json.dumps(entry).replace(TO_BE_SET, "0.5"))


def name_of(entry: dict[str, Any]) -> str:
    return entry["alias"]


@pytest.mark.parametrize("entry", ENTRIES, ids=name_of)
def test_every_entry_is_a_route(entry: dict[str, Any]) -> None:
    read = parse_route(json.dumps(entry)) if entry not in TEMPLATES else filled_in(entry)
    assert read.alias == entry["alias"]
    assert read.embeds == (entry["alias"] in MODELS)


@pytest.mark.parametrize("entry", TEMPLATES, ids=name_of)
def test_a_template_is_refused_by_the_price_that_is_missing(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=r"targets\.0\.price_usd_per_million_tokens: "):
        parse_route(json.dumps(entry))


@pytest.mark.parametrize("entry", EMBEDDING, ids=name_of)
def test_what_an_entry_says_is_what_was_read(entry: dict[str, Any]) -> None:
    read = filled_in(entry)
    (served,) = read.targets
    price = entry["targets"][0]["price_usd_per_million_tokens"]
    numbers = (read.space.dimensions, read.reducible, read.max_input_tokens, served.limits.inputs, price)
    assert numbers == MODELS[read.alias]
    assert served.limits.tokens >= read.max_input_tokens
    assert all("read 20" in source for source in entry["sources"])


def test_the_catalogue_is_complete() -> None:
    assert [entry["alias"] for entry in EMBEDDING] == list(MODELS)


def test_every_name_leads_to_one_entry() -> None:
    routes = [filled_in(entry) for entry in ENTRIES]
    said = Counter(name for route in routes for name in (route.alias, *route.names))
    assert max(said.values()) == 1
    known = by_name(routes)
    assert known["neboloop/nebo-embed-small"].alias == "text-embedding-3-small"
    assert all(known[route.space.model].alias == route.space.model for route in routes)


@pytest.mark.parametrize("file", sorted(ROUTES.glob("*.json")), ids=lambda file: file.stem)
def test_a_route_that_is_delivered_by_itself_is_the_one_of_the_catalogue(file: Path) -> None:
    delivered = parse_route(file.read_text(encoding="utf-8"))
    listed = next(filled_in(entry) for entry in ENTRIES if entry["alias"] == delivered.alias)
    assert (listed.space, listed.targets) == (delivered.space, delivered.targets)


@pytest.mark.parametrize("alias", [entry["alias"] for entry in ENTRIES if entry not in TEMPLATES])
def test_an_operator_takes_one_entry_of_the_file_and_need_not_fill_in_the_others(alias: str) -> None:
    assert list(routes_in({"catalogue.yaml": CATALOGUE}, (alias,))) == [alias]


def test_what_is_not_in_the_file_cannot_be_taken_from_it() -> None:
    with pytest.raises(InvalidValue, match="has the alias no-such"):
        routes_in({"catalogue.yaml": CATALOGUE}, ("voyage-4", "no-such"))
