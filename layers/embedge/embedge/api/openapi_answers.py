"""How are answers described in OpenAPI? Errors as the table has them, with the headers that they are answered with."""

from collections.abc import Iterable, Sequence

from embedge.api.error_table import OUR_FAULT, TABLE, Row, error_answer
from embedge.api.openapi_schemas import Node, string
from embedge.errors import EmbedgeError

COST = "x-embedge-cost-usd"
ON_EMBEDDINGS = ("x-embedge-cache", "x-embedge-target", COST)
LIMITS = tuple(
    f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")
)
# What an answer adds to the headers of its error.
_OF_STATUS: dict[int, tuple[str, ...]] = {303: ("location",)}
_EVERYWHERE = ("x-request-id", "openai-processing-ms", "cache-control")

_WHOLE_NUMBER: Node = {"type": "integer", "minimum": 0}
# What a duration looks like: `12ms`, `2.812s`, `6m0s`.
_DURATION = string(pattern=r"^(\d+ms|(\d+m)?\d+(\.\d+)?s)$")

HEADERS: dict[str, tuple[str, Node]] = {
    "x-request-id": ("Names this request; operators find it in their logs.", string(minLength=1)),
    "openai-processing-ms": ("How long it took, in milliseconds.", _WHOLE_NUMBER),
    "cache-control": ("Nobody on the way may keep an answer.", string(const="private, no-store")),
    "location": ("Where the answer is for some minutes; no token is to be sent there.", string(format="uri")),
    "www-authenticate": ("Which scheme a token is sent with; API Gateway may rename it.", string(const="Bearer")),
    "retry-after": ("Seconds after which to try again.", {"type": "integer", "minimum": 1, "maximum": 60}),
    "retry-after-ms": ("The same in milliseconds.", {"type": "integer", "minimum": 1, "maximum": 60_000}),
    "x-should-retry": ("`false` where trying again cannot help.", string(const="false")),
    "x-embedge-cache": ("What came from the cache.", string(pattern=r"^hits=\d+; misses=\d+$")),
    "x-embedge-target": (
        "Who embedded the rest: targets' names; `cache` where there was no rest.",
        string(minLength=1),
    ),
    "x-embedge-cost-usd": ("What the request was billed, in dollars.", string(pattern=r"^\d+(\.\d+)?$")),
    **{name: ("The limit a minute.", _WHOLE_NUMBER) for name in LIMITS if "-limit-" in name},
    **{name: ("What is left of it.", _WHOLE_NUMBER) for name in LIMITS if "-remaining-" in name},
    **{name: ("When it is whole again.", _DURATION) for name in LIMITS if "-reset-" in name},
}


def headers() -> Node:
    """Return every header that an answer may have, for the document's components."""
    return {
        name: {"description": description, "required": name in _EVERYWHERE, "schema": schema}
        for name, (description, schema) in HEADERS.items()
    }


def answer(description: str, schema: Node, also: Iterable[str] = ()) -> Node:
    """Return one answer, with the headers that all have and these."""
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in (*_EVERYWHERE, *also)},
        "content": {"application/json": {"schema": schema}},
    }


def error_answers(kinds: Iterable[type[EmbedgeError]], also: Iterable[str] = ()) -> Node:
    """Return an answer for each status that these errors have, and for a fault of our own."""
    causes: dict[int, list[tuple[Row, str]]] = {OUR_FAULT.status: [(OUR_FAULT, "A fault of our own.")]}
    told: dict[int, tuple[str, ...]] = {}
    for kind in kinds:
        row = TABLE[kind]
        causes.setdefault(row.status, []).append((row, kind.__doc__ or ""))
        told[row.status] = (*told.get(row.status, ()), *_headers_of(kind))
    return {
        str(status): _error(rows, dict.fromkeys((*told.get(status, ()), *_OF_STATUS.get(status, ()), *also)))
        for status, rows in sorted(causes.items())
    }


def _error(causes: Sequence[tuple[Row, str]], also: Iterable[str]) -> Node:
    """Return one answer for errors that share a status: each a row and its cause in words."""
    rows = [row for row, _ in causes]
    narrowed = {
        "type": {"enum": list(dict.fromkeys(row.type for row in rows))},
        "code": {"enum": list(dict.fromkeys(row.code for row in rows))},
    }
    schema: Node = {
        "allOf": [{"$ref": "#/components/schemas/Error"}, {"properties": {"error": {"properties": narrowed}}}]
    }
    return answer("\n".join(f"- `{row.code}`: {cause}" for row, cause in causes), schema, also)


def _headers_of(kind: type[EmbedgeError]) -> tuple[str, ...]:
    """Return what an error says besides its body, whether or not it knows when to try again."""
    both = (error_answer(kind("", retry_after_s=wait_s), "") for wait_s in (None, 1.0))
    return tuple(name for said in both for name in said.headers)
