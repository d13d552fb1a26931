"""Which public keys are valid now? Those in the Control table, read again at least every ten minutes."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK

from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, ControlTable

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = "KEYS"
_OLDEST_S = 600
_UNKNOWN_KEY_PAUSE_S = 30


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key by its name; two are equal where their documents are."""

    kid: str
    document: str
    key: ec.EllipticCurvePublicKey = field(compare=False)


class KeySet:
    """The keys, kept for ten minutes; an unknown name causes at most one look every 30 seconds."""

    def __init__(self, control: ControlTable, clock: Clock) -> None:
        """Take where the keys are, and the time."""
        self._control = control
        self._clock = clock
        self._keys: Mapping[str, PublicKey] = {}
        self._read_s = float("-inf")
        self._tried_s = float("-inf")
        self._reading = asyncio.Lock()

    async def get(self, kid: str) -> PublicKey | None:
        """Return a key that is valid now, None where there is none. Raises: ServiceUnavailable."""
        may_look = self._clock.now_s() - self._tried_s > _UNKNOWN_KEY_PAUSE_S
        if self._are_too_old() or (kid not in self._keys and may_look):
            await self._read()
            if self._are_too_old():
                raise ServiceUnavailable(
                    "The keys that tokens are verified with cannot be read just now. Please try again.",
                    retry_after_s=5,
                )
        return self._keys.get(kid)

    def _are_too_old(self) -> bool:
        return self._clock.now_s() - self._read_s > _OLDEST_S

    async def _read(self) -> None:
        """Read the keys, or wait for who is doing so; a failure is everybody's who waited, and changes nothing."""
        seen = self._tried_s
        async with self._reading:
            if self._tried_s != seen:
                return
            now_s = self._clock.now_s()
            with suppress(ServiceUnavailable):
                documents = await self._control.query(KEYS)
                keys = (_public_key(kid, document) for kid, document in documents.items())
                self._keys = {key.kid: key for key in keys if key is not None}
                self._read_s = now_s
            self._tried_s = now_s


def _public_key(kid: str, document: str) -> PublicKey | None:
    """Read a document; None where it is not a public key on P-256, the one curve of ES256."""
    try:
        key = PyJWK.from_dict(json.loads(document)).key
    except Exception:  # noqa: BLE001 (there is no end to what can be wrong, and the other keys must stay valid)
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return None
    return PublicKey(kid, document, key)
