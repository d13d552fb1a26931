"""Which keys does an issuer publish now? Fetched from its URL, kept for ten minutes at most.

A name that is not among them causes at most one fetch in half a minute, whoever asks; nothing that a token says decides
where that goes.
"""

import asyncio
import json
from collections.abc import Callable
from typing import cast

from embedge.adapters.public_keys import VerificationKey, public_key
from embedge.core.issuer import PublishedKeys
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, KeyDocuments

_OLDEST_S = 600
_RENEWED_AFTER_S = 300
_PAUSE_S = 30
# Where none is known that may be used.
_PAUSE_WITHOUT_S = 5
_MOST_KEYS = 100


class PublishedKeySet:
    """The keys of one issuer."""

    def __init__(
        self, published: PublishedKeys, documents: KeyDocuments, clock: Clock, on_fault: Callable[[str], None]
    ) -> None:
        """Take where they are, who fetches them, the time, and whom to tell that they could not be had."""
        self._published = published
        self._documents = documents
        self._clock = clock
        self._on_fault = on_fault
        self._keys: dict[str, VerificationKey] = {}
        self._read_s = self._tried_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, kid: object) -> VerificationKey | None:
        """Return a key that is valid now, None where there is none. Raises: ServiceUnavailable."""
        if not isinstance(kid, str):
            return None
        wanted = kid not in self._keys or self._age_s() > _RENEWED_AFTER_S
        pause_s = _PAUSE_S if self._age_s() <= _OLDEST_S else _PAUSE_WITHOUT_S
        if wanted and self._fetching is None and self._clock.now_s() - self._tried_s > pause_s:
            self._tried_s = self._clock.now_s()
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None and (kid not in self._keys or self._age_s() > _OLDEST_S):
            await asyncio.shield(self._fetching)
        if self._age_s() > _OLDEST_S:
            raise ServiceUnavailable(
                "The keys of this token's issuer cannot be read just now. Please try again.", retry_after_s=5
            )
        return self._keys.get(kid)

    def _age_s(self) -> float:
        return self._clock.now_s() - self._read_s

    async def _fetch(self) -> None:
        asked_s = self._clock.now_s()
        try:
            self._keys = _keys(await self._documents.fetch(self._published))
            self._read_s = asked_s
        except ServiceUnavailable:
            self._on_fault("jwks_stale")
        finally:
            self._fetching = None


def _keys(document: bytes) -> dict[str, VerificationKey]:
    """Read a key set (RFC 7517, section 5); what in it is no key of ours is left out. Raises: ServiceUnavailable."""
    try:
        read: object = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ServiceUnavailable("The issuer's keys are no JSON.") from error
    listed = cast("dict[str, object]", read).get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        raise ServiceUnavailable("The issuer's keys are no list.")
    found: dict[str, VerificationKey] = {}
    for each in cast("list[object]", listed)[:_MOST_KEYS]:
        kid = cast("dict[str, object]", each).get("kid") if isinstance(each, dict) else None
        key = public_key(kid, json.dumps(each, sort_keys=True)) if isinstance(kid, str) else None
        if key is not None:
            found[key.kid] = key
    return found
