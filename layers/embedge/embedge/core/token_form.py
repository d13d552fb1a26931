"""What stands in this JSON Web Token? Its header and its claims, before anybody believes them.

Readers differ in which of two equal names they take, so what stands twice is refused: else the claims that somebody
has checked elsewhere need not be those that are believed here.
"""

import json
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

_PARTS = 3


class NoToken(Exception):
    """It has not the form of a token."""


@dataclass(frozen=True, slots=True)
class TokenForm:
    """The two parts that can be read."""

    header: Mapping[str, object]
    claims: Mapping[str, object]


def read_token(token: str) -> TokenForm:
    """Take a token apart. Raises: NoToken."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise NoToken
    return TokenForm(_object(parts[0]), _object(parts[1]))


def _object(part: str) -> Mapping[str, object]:
    try:
        text = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        read: object = json.loads(text, object_pairs_hook=_unique)
    except (Error, ValueError, RecursionError) as error:
        raise NoToken from error
    if not isinstance(read, dict):
        raise NoToken
    return cast("dict[str, object]", read)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoToken
    return found
