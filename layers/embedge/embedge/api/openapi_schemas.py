"""What do bodies look like in JSON Schema? The rules that `request_body` checks, and the answers that are written.

Sources: openai-openapi, CreateEmbeddingRequest and -Response, read 2026-08; JSON Schema 2020-12.
"""

from typing import TypeAlias, get_args

from embedge.core.gcra import Tier
from embedge.core.request import (
    LARGEST_TOKEN_ID,
    MAX_ATTRIBUTION_CHARACTERS,
    MAX_INPUTS,
    MAX_REQUEST_TOKENS,
    Encoding,
    ServiceTier,
)
from embedge.core.route import MAX_DIMENSIONS

Node: TypeAlias = dict[str, object]


def string(**rules: object) -> Node:
    """Return the schema of a string with these rules."""
    return {"type": "string", **rules}


def _choice(values: tuple[str, ...]) -> Node:
    return {"enum": [*values, None]}


def _array(items: Node) -> Node:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_INPUTS}


def _object(properties: Node, **rules: object) -> Node:
    return {"type": "object", "required": list(properties), "properties": properties, **rules}


_TEXT = string(minLength=1)
_TOKEN: Node = {"type": "integer", "minimum": 0, "maximum": LARGEST_TOKEN_ID}
_COUNT: Node = {"type": "integer", "minimum": 0}

ATTRIBUTION = string(maxLength=MAX_ATTRIBUTION_CHARACTERS, pattern="^[ -~]*$")
# Names are printable ASCII; one that began or ended with a slash could not be told from a path with slashes to spare.
MODEL_ID = string(minLength=1, pattern=r"^[!-.0-~]([!-~]*[!-.0-~])?$")

EMBEDDINGS_REQUEST = _object(
    {
        "model": string(minLength=1, description="Any name that GET /v1/models gives a model."),
        "input": {
            "description": "A text, texts, the token ids of a text, or those of texts. A text is embedded exactly as "
            f"sent. All together are at most {MAX_REQUEST_TOKENS} tokens, and each at most its model's maximum.",
            "oneOf": [
                _TEXT,
                _array(_TEXT),
                _array(_TOKEN),
                _array({"type": "array", "items": _TOKEN, "minItems": 1}),
            ],
        },
        "encoding_format": {
            **_choice(get_args(Encoding)),
            "default": "float",
            "description": "base64 is that of little-endian float32.",
        },
        "dimensions": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": MAX_DIMENSIONS,
            "description": "Fewer than the model's own, where it is reducible: vectors are cut and made of length one.",
        },
        "user": {"type": ["string", "null"], "description": "Attribution only."},
        "service_tier": {
            **_choice(get_args(ServiceTier)),
            "default": "auto",
            "description": "`auto` takes the guaranteed rate, and beyond it what there is room for; `default` the "
            "guaranteed rate alone; `flex` none of it, with less priority and while there is room. Budgets bind all.",
        },
    },
    additionalProperties=False,
) | {"required": ["model", "input"]}

EMBEDDINGS_RESPONSE = _object(
    {
        "object": {"const": "list"},
        "data": _array(
            _object(
                {
                    "object": {"const": "embedding"},
                    "index": {**_COUNT, "description": "The input's position; the list is in this order, too."},
                    "embedding": {
                        "description": "As `encoding_format` says: numbers, or base64 of little-endian float32.",
                        "oneOf": [
                            {"type": "array", "items": {"type": "number"}, "minItems": 1},
                            string(contentEncoding="base64", minLength=8),
                        ],
                    },
                }
            )
        ),
        "model": string(description="The underlying model's name, also when another name was asked for."),
        "usage": _object({"prompt_tokens": _COUNT, "total_tokens": _COUNT}),
        "service_tier": {
            "enum": list(get_args(Tier)),
            "description": "How it was served: there where the request names a tier, or its caller may go over a rate.",
        },
    }
) | {"required": ["object", "data", "model", "usage"]}

MODEL = _object(
    {
        "id": _TEXT,
        "object": {"const": "model"},
        "created": {**_COUNT, "description": "Seconds since the epoch."},
        "owned_by": string(),
        "dimensions": {"type": "integer", "minimum": 1, "maximum": MAX_DIMENSIONS},
        "dimensions_reducible": {"type": "boolean", "description": "Whether a request may ask for fewer dimensions."},
        "max_input_tokens": {"type": "integer", "minimum": 1},
        "price_usd_per_million_tokens": {"type": "number", "minimum": 0},
        "also_known_as": {"type": "array", "items": _TEXT, "description": "Other names that lead here."},
    }
)

MODEL_LIST = _object(
    {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}
)

_DAY = string(format="date")
_INSTANT = string(format="date-time")
_DOLLARS = string(pattern=r"^-?\d+(\.\d{1,9})?$", description="US dollars, an exact decimal.")
_COUNTED: Node = {
    **dict.fromkeys(("requests", "inputs", "cache_hits", "cache_misses", "tokens_served", "tokens_billed"), _COUNT),
    **dict.fromkeys(("cost_usd", "saved_usd", "cache_cost_usd", "net_saved_usd"), _DOLLARS),
}
_EVERYBODY_ELSE = "`*` is all those that have no line of their own."


def _groups(properties: Node, required: int = 1) -> Node:
    fields = {**properties, **_COUNTED}
    needed = [*list(properties)[:required], *_COUNTED]
    return {"type": "array", "items": {**_object(fields), "required": needed}, "description": _EVERYBODY_ELSE}


_RATE: Node = {"kind": string(), "limit_per_minute": _COUNT, "left": _COUNT, "resets_at": _INSTANT}
_USAGE: Node = {
    "object": {"const": "usage"},
    "tenant": string(minLength=1),
    "start": _DAY,
    "end": _DAY,
    "total": _object(_COUNTED),
    "days": _groups({"day": _DAY}),
    "models": _groups({"model": string()}),
    "bots": _groups({"bot": string()}),
    "projects": _groups({"project": string()}),
    "groups": _groups({"day": string(), "model": string(), "bot": string(), "project": string()}, required=0),
    "budgets": {
        "type": "array",
        "description": "The budgets that bind. What is taken is spent, or held for requests under way and next ones.",
        "items": _object(
            {
                "period": {"enum": ["day", "month", "total"]},
                "limit_usd": _DOLLARS,
                "taken_usd": _DOLLARS,
                "left_usd": _DOLLARS,
                "resets_at": {"type": ["string", "null"], "format": "date-time"},
            }
        ),
    },
    "rates": {"type": "array", "items": _object(_RATE)},
    "model_rates": {
        "type": "array",
        "description": "The same of the models that have rates of their own, named by a shell pattern.",
        "items": _object({"models": string(), **_RATE}),
    },
}
USAGE = _object(_USAGE) | {"required": [name for name in _USAGE if name != "groups"]}

HEALTH = _object({"status": {"const": "ok"}})

KEY_SET = _object(
    {"keys": {"type": "array", "items": {"type": "object", "description": "Source: RFC 7517, section 4."}}}
)

ERROR = _object(
    {
        "error": _object(
            {
                "message": string(minLength=1, description="What was wrong, and what to change."),
                "type": string(),
                "param": {"type": ["string", "null"], "description": "The field to blame; `input[3]` for an element."},
                "code": {"type": ["string", "null"]},
            },
            additionalProperties=False,
        )
    },
    additionalProperties=False,
)
