"""Which of the team's own keys are valid now? Those in the Control table that have not been retired."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from embedge.adapters.kept_control import KeptControl
from embedge.adapters.public_keys import VerificationKey, public_key
from embedge.core.key_document import KEYS, published, retires_s
from embedge.ports import Clock

_UNKNOWN_KEY_PAUSE_S = 30


class OwnKeySet:
    """The keys; an unknown name causes at most one look every 30 seconds."""

    def __init__(self, kept: KeptControl, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take where the keys are, the time, and whom to tell of a key that cannot be read."""
        self._kept = kept
        self._clock = clock
        self._on_fault = on_fault
        self._read: Mapping[str, str] = {}
        self._keys: dict[str, VerificationKey] = {}
        self._looked_s = float("-inf")
        self._looking = asyncio.Lock()

    async def get(self, kid: object) -> VerificationKey | None:
        """Return a key that is valid now, None where there is none. Raises: ServiceUnavailable."""
        documents = self._kept.known(KEYS)
        keys = self._made_of(await self._kept.partition(KEYS) if documents is None else documents)
        if not isinstance(kid, str):
            return None
        if kid not in keys:
            keys = await self._looked_again(keys)
        key = keys.get(kid)
        return None if key is None or retires_s(key.fingerprint) <= self._clock.now_s() else key

    async def published(self) -> Sequence[Mapping[str, object]]:
        """Return the keys that are valid now, as anybody may see them. Raises: ServiceUnavailable."""
        await self._kept.freshen()
        return published(await self._kept.partition(KEYS), self._clock.now_s())

    async def _looked_again(self, keys: dict[str, VerificationKey]) -> dict[str, VerificationKey]:
        async with self._looking:
            since_s = self._clock.now_s() - _UNKNOWN_KEY_PAUSE_S
            if self._looked_s >= since_s:
                return self._keys
            try:
                return self._made_of(await self._kept.partition(KEYS, since_s))
            finally:
                self._looked_s = self._clock.now_s()
        return keys

    def _made_of(self, documents: Mapping[str, str]) -> dict[str, VerificationKey]:
        if documents is not self._read:
            self._read, self._keys = documents, {}
            for kid, document in documents.items():
                key = public_key(kid, document)
                if key is None or not key.algorithms & {"ES256", "EdDSA"}:
                    self._on_fault("key_unreadable")
                else:
                    self._keys[kid] = key
        return self._keys
