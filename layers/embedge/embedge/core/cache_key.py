"""Which earlier answer may stand for this input? One whose key is the same 32 bytes.

SHA-256 over length-prefixed parts: scope, space, how often these were purged (where they ever were), kind of input, the
input's exact bytes. Where the deployment has a secret, the parts before the input are replaced by their HMAC-SHA-256
under it, so whoever reads the table cannot hash a text that he guesses and look whether it is there. Behind that, plain
SHA-256 is as good as HMAC, and costs a fourth: no input, with its length before it, is the beginning of another
(https://cseweb.ucsd.edu/~mihir/papers/cascade.pdf).
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import Field, fields, replace
from functools import lru_cache
from typing import Literal

from embedge.core.generations import NOTHING_PURGED, Generations
from embedge.core.request import EmbeddingRequest, Input
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

    def __init__(
        self,
        tenant: str | None,
        space: Space,
        purged: Generations = NOTHING_PURGED,
        secret: bytes | None = None,
    ) -> None:
        """Take whose entries these are (None: all share them), what was purged, and what keys are hidden with."""
        space_hash = space_id(space)
        self._texts, self._tokens, self.owner = _begun(tenant, space_hash, purged.of(tenant, space_hash), secret)

    def key(self, wanted: Input) -> bytes:
        """Return the 32 bytes under which this input's vector is kept."""
        return self.text_keys((wanted,))[0][0] if isinstance(wanted, str) else self.tokens_key(wanted.identity())

    def text_keys(self, texts: Iterable[str]) -> tuple[list[bytes], list[int]]:
        """Return the same for each of these texts, in order, and how many bytes of UTF-8 each has."""
        keys: list[bytes] = []
        sizes: list[int] = []
        for text in texts:
            identity = text.encode()
            size_bytes = len(identity)
            digest = self._texts.copy()
            digest.update((_SIZES[size_bytes] if size_bytes < _SHORT else _size(size_bytes)) + identity)
            keys.append(digest.digest())
            sizes.append(size_bytes)
        return keys, sizes

    def tokens_key(self, identity: bytes) -> bytes:
        """Return the same for the token ids of this identity."""
        digest = self._tokens.copy()
        digest.update(_sized(identity))
        return digest.digest()


@lru_cache(maxsize=1024)
def _begun(tenant: str | None, space_hash: bytes, number: int, secret: bytes | None):  # noqa: ANN202 (hashlib's objects have no public type)
    """Return what all keys of texts, and those of token ids, begin with, hashed, and the owner.

    `number` is how often these entries were purged.
    """
    # Neither kind of input begins as this does, so what was never purged has the keys that it always had.
    generation = _sized(number.to_bytes(8, "little")) if number else b""
    shared = _VERSION + _sized(_scope(tenant)) + _sized(space_hash) + generation
    prefix = shared if secret is None else hmac.digest(secret, shared, "sha256")
    owner = owner_of_tenant(tenant) + owner_of_space(space_hash)
    return hashlib.sha256(prefix + b"text"), hashlib.sha256(prefix + b"toks"), owner


def owner_of_tenant(tenant: str | None) -> bytes:
    """Return the 8 bytes that an entry of this tenant, or of all, begins its owner with."""
    return hashlib.sha256(_scope(tenant)).digest()[:8]


def owner_of_space(space: bytes) -> bytes:
    """Return the 8 bytes that an entry in the space of this id ends its owner with."""
    return space[:8]


@lru_cache(maxsize=256)
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


def _scope(tenant: str | None) -> bytes:
    return b"shared" if tenant is None else b"tenant" + _sized(tenant.encode())


def _says_something(space: Space, field: Field[object]) -> bool:
    return field.name not in _FIRST_FIELDS and getattr(space, field.name) != field.default


def _sized(part: bytes) -> bytes:
    return _size(len(part)) + part


def _size(size_bytes: int) -> bytes:
    return size_bytes.to_bytes(8, "little")


_SHORT = 1024
_SIZES = tuple(map(_size, range(_SHORT)))  # of most texts
