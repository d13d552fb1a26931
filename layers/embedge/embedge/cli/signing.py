"""How is a token signed, and where does a key come from?"""

import json
from dataclasses import dataclass
from typing import TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from embedge.core.identity import Grant, OwnAlgorithm
from embedge.errors import EmbedgeError

_Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A signing key: its name, its private part as PEM, its public part as a JSON Web Key."""

    kid: str
    pem: str
    public_jwk: str


def new_key_pair(kid: str, algorithm: OwnAlgorithm = "ES256") -> KeyPair:
    """Make a key, on P-256 or on Curve25519."""
    private: _Private = (
        ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()
    )
    return key_pair(kid, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"))


def key_pair(kid: str, pem: str) -> KeyPair:
    """Complete a private key by its public part. Raises: EmbedgeError where it is not one of ours."""
    private = _private_key(kid, pem)
    public = (
        ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        if isinstance(private, ec.EllipticCurvePrivateKey)
        else OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    )
    return KeyPair(kid, pem, json.dumps({**public, "kid": kid, "alg": _algorithm(private), "use": "sig"}))


def sign(grant: Grant, kid: str, pem: str) -> str:
    """Return a token that says what was granted. Raises: EmbedgeError where the key is not one of ours."""
    private = _private_key(kid, pem)
    return jwt.encode(grant.claims(), private, algorithm=_algorithm(private), headers={"kid": kid})


def _algorithm(private: _Private) -> OwnAlgorithm:
    return "ES256" if isinstance(private, ec.EllipticCurvePrivateKey) else "EdDSA"


def _private_key(kid: str, pem: str) -> _Private:
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(kid) from error
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise _unusable(kid)
    return private


def _unusable(kid: str) -> EmbedgeError:
    return EmbedgeError(
        f"The signing key {kid} is damaged, or on neither of the curves P-256 and Ed25519. "
        "Put it back from a copy, or move it away and make another with: embedge keys init"
    )
