"""Is this JSON Web Key one to verify with? Source: RFC 7517 and 7518, RFC 8037, read 2026-11."""

import json
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWK

from embedge.core.issuer import Algorithm

_Public: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
_RSA_BITS = range(2048, 8193)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key by its name, and what it may verify; two are equal where their fingerprints are."""

    kid: str
    fingerprint: str
    algorithms: frozenset[Algorithm] = field(compare=False)
    key: _Public | bytes = field(compare=False, repr=False)


def public_key(kid: str, document: str) -> VerificationKey | None:
    """Read a JSON Web Key; None where it is not a public key that signatures are verified with.

    The algorithm is the key's: a curve has one, and an RSA key that does not name its own has the two of SHA-256.
    """
    try:
        jwk = cast("dict[str, object]", json.loads(document))
        key = PyJWK.from_dict(jwk).key
    except Exception:  # noqa: BLE001 (there is no end to what can be wrong, and the other keys must stay valid)
        return None
    uses = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        return None
    algorithms: frozenset[Algorithm] = frozenset(able for able in _algorithms(key) if jwk.get("alg", able) == able)
    return VerificationKey(kid, document, algorithms, cast("_Public", key)) if algorithms else None


def _algorithms(key: object) -> frozenset[Algorithm]:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return frozenset({"ES256"})
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP384R1):
            return frozenset({"ES384"})
        case ed25519.Ed25519PublicKey():
            return frozenset({"EdDSA"})
        case rsa.RSAPublicKey() if key.key_size in _RSA_BITS:
            return frozenset({"RS256", "PS256"})
        case _:
            return frozenset()
