"""Which public keys are valid now? Those in the Control table, read again at least every ten minutes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK

from embedge.adapters.kept_partition import KeptPartition, Partition
from embedge.errors import ServiceUnavailable
from embedge.ports import Clock, ControlTable

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

    def __init__(self, control: ControlTable, clock: Clock, on_fault: Callable[[str], None]) -> None:
        """Take where the keys are, the time, and whom to tell of a key that cannot be read."""
        self._on_fault = on_fault
        self._kept = KeptPartition(control, Partition(KEYS, self._made_of, _OLDEST_S), clock, on_fault)

    async def get(self, kid: str) -> PublicKey | None:
        """Return a key that is valid now, None where there is none. Raises: ServiceUnavailable."""
        kept = self._kept
        may_look = kept.seconds_since_tried() > _UNKNOWN_KEY_PAUSE_S
        if kept.is_too_old() or (kid not in kept.value and may_look):
            await kept.read()
            if kept.is_too_old():
                raise ServiceUnavailable(
                    "The keys that tokens are verified with cannot be read just now. Please try again.",
                    retry_after_s=5,
                )
        return kept.value.get(kid)

    def _made_of(self, documents: Mapping[str, str]) -> Mapping[str, PublicKey]:
        keys: dict[str, PublicKey] = {}
        for kid, document in documents.items():
            key = _public_key(kid, document)
            if key is None:
                self._on_fault("key_unreadable")
            else:
                keys[kid] = key
        return keys


def _public_key(kid: str, document: str) -> PublicKey | None:
    """Read a document; None where it is not a public key on P-256, the one curve of ES256."""
    try:
        key = PyJWK.from_dict(json.loads(document)).key
    except Exception:  # noqa: BLE001 (there is no end to what can be wrong, and the other keys must stay valid)
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return None
    return PublicKey(kid, document, key)
