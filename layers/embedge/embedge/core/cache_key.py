"""Which earlier answer may stand for this input? One whose key is the same 32 bytes.

SHA-256 over length-prefixed parts: scope, space, kind of input, the input's exact bytes.
"""

import hashlib
from dataclasses import Field, fields, replace
from typing import Literal

from embedge.core.request import EmbeddingRequest, Input, Text
from embedge.core.route import Space

_VERSION = b"embedge/1"
_FIRST_FIELDS = ("model", "revision", "dimensions", "normalised", "prompt", "storage")

# Every field of a request is decided here, or the module does not import: is it part of what a vector is?
_DECIDED: dict[str, Literal["through the route's space", "hashed", "same vector either way", "attribution"]] = {
    "model": "through the route's space",
    "inputs": "hashed",
    "encoding_format": "same vector either way",
    "dimensions": "same vector either way",  # cut from the stored vector of full size
    "user": "attribution",
    "service_tier": "same vector either way",
}
if undecided := {field.name for field in fields(EmbeddingRequest)} ^ _DECIDED.keys():
    raise AssertionError(f"decide whether these fields are part of the cache key: {sorted(undecided)}")


class Keyring:
    """Makes the keys of one scope and one space; what they share is hashed once."""

    def __init__(self, tenant: str | None, space: Space) -> None:
        """Take the tenant whose entries these are, or None where all tenants share them."""
        scope = b"shared" if tenant is None else b"tenant" + _sized(tenant.encode())
        self._prefix = hashlib.sha256(_VERSION + _sized(scope) + _sized(space_id(space)))

    def key(self, wanted: Input) -> bytes:
        """Return the 32 bytes under which this input's vector is kept."""
        digest = self._prefix.copy()
        digest.update(b"text" if isinstance(wanted, Text) else b"toks")
        digest.update(_sized(wanted.identity()))
        return digest.digest()


def space_id(space: Space) -> bytes:
    """Return 32 bytes that differ wherever two spaces do.

    A field that spaces did not always have is hashed, with its name, only where it says something: a release that adds
    one does not empty the caches.
    """
    if space.storage == "f32z":
        space = replace(space, storage="f32")  # the same vector to the last bit
    first = [repr(getattr(space, name)) for name in _FIRST_FIELDS]
    later = [f"{field.name}={getattr(space, field.name)!r}" for field in fields(space) if _says_something(space, field)]
    return hashlib.sha256(b"".join(_sized(part.encode()) for part in first + later)).digest()


def _says_something(space: Space, field: Field[object]) -> bool:
    return field.name not in _FIRST_FIELDS and getattr(space, field.name) != field.default


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(8, "little") + part
