"""What does Control say of a key of the team's own? Its public JSON Web Key, and what operators have planned for it.

The names that are ours are for the routers alone: what is published leaves them out.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

KEYS = "KEYS"
_RETIRES, _MADE = "embedge_retires_s", "embedge_made_s"
_PUBLIC = ("kty", "crv", "x", "y", "kid", "alg", "use")


def planned(document: str, *, made_s: float | None = None, retires_s: float | None = None) -> str:
    """Return the document with when the key was made, and when it is to be valid no longer."""
    said = {_MADE: made_s, _RETIRES: retires_s}
    return json.dumps({**json.loads(document), **{name: at_s for name, at_s in said.items() if at_s is not None}})


@lru_cache(maxsize=64)
def retires_s(document: str) -> float:
    """Return when the key is valid no longer; never, where nobody has said so."""
    return _time(_fields(document).get(_RETIRES, float("inf")))


def made_s(document: str) -> float:
    """Return when the key was made, 0 where nobody has noted it."""
    return _time(_fields(document).get(_MADE, 0))


def algorithm(document: str) -> str:
    """Return what tokens of this key are signed with."""
    return str(_fields(document).get("alg", "unknown"))


def published(documents: Mapping[str, str], now_s: float) -> list[dict[str, object]]:
    """Return the keys that are valid now as anybody may see them: of each, only what is public."""
    valid = (_fields(text) for _, text in sorted(documents.items()) if retires_s(text) > now_s)
    return [{name: fields[name] for name in _PUBLIC if name in fields} for fields in valid if "kty" in fields]


def _fields(document: str) -> Mapping[str, object]:
    try:
        read: object = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}


def _time(value: object) -> float:
    """Return a time; what is none is long past, so that a damaged plan keeps no key alive."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
