"""What does Control say of a key of the team's own? Its public JSON Web Key, and what operators have planned for it.

The names that are ours are for the routers alone: what is published leaves them out.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

KEYS = "KEYS"
# Until then a router may not have heard of a new key: it hears within 15 s, and looks for an unknown one every 30.
SETTLED_S = 60
_RETIRES, _MADE = "embedge_retires_s", "embedge_made_s"
_MATERIAL = ("kty", "crv", "x", "y")
_PUBLIC = (*_MATERIAL, "kid", "alg", "use")


def planned(document: str, *, made_s: float | None = None, retires_s: float | None = None) -> str:
    """Return the document with when the key was made, and when it is to be valid no longer."""
    said = {_MADE: made_s, _RETIRES: retires_s}
    return json.dumps({**_fields(document), **{name: at_s for name, at_s in said.items() if at_s is not None}})


@lru_cache(maxsize=64)
def retires_s(document: str) -> float:
    """Return when the key is valid no longer; never, where nobody has said so."""
    return _time(_fields(document).get(_RETIRES, float("inf")))


def made_s(document: str) -> float:
    """Return when the key was made, 0 where nobody has noted it."""
    return _time(_fields(document).get(_MADE, 0))


def algorithm_of(document: str) -> str:
    """Return what tokens of this key are signed with."""
    return str(_fields(document).get("alg", "unknown"))


def is_of(document: str, public_jwk: str) -> bool:
    """Tell whether a document is of this key, whatever is planned for it."""
    here, there = _fields(document), _fields(public_jwk)
    return all(here.get(name) == there.get(name) for name in _MATERIAL)


def signing_kid(private: Sequence[str], documents: Mapping[str, str], now_s: float) -> str | None:
    """Return with which of these private keys (the newest first) to sign: the newest that every router knows.

    Where none is known for long enough, it is the oldest that is published; None where none of them is valid.
    """
    valid = [kid for kid in private if kid in documents and retires_s(documents[kid]) > now_s]
    settled = [kid for kid in valid if made_s(documents[kid]) + SETTLED_S <= now_s]
    return next(iter((*settled, *reversed(valid))), None)


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
