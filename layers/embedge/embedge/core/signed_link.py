"""Is a link one that we gave, and still good? What it opens, and until when, is signed with a key."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import urlencode

Verdict: TypeAlias = Literal["good", "expired", "forged"]

_UNTIL = "X-Embedge-Until"
_SIGNATURE = "X-Embedge-Signature"


def signed(path: str, until_s: int, key: bytes) -> str:
    """Return the path with a query that proves that it was given, to be used until this second since the epoch."""
    return f"{path}?{urlencode({_UNTIL: until_s, _SIGNATURE: _signature(path, str(until_s), key)})}"


def judge(path: str, query: Mapping[str, str], key: bytes, now_s: float) -> Verdict:
    """Say what a path and its query, both unescaped, prove at this second since the epoch."""
    until, signature = query.get(_UNTIL, ""), query.get(_SIGNATURE, "")
    if not hmac.compare_digest(signature.encode(), _signature(path, until, key).encode()):
        return "forged"
    return "good" if now_s <= int(until) else "expired"


def _signature(path: str, until: str, key: bytes) -> str:
    # What we sign has one newline, so that it can be taken apart in one way only.
    return hmac.digest(key, f"{until}\n{path}".encode(), hashlib.sha256).hex()
