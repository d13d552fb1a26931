"""How is a token signed, and where does a key come from?"""

import json
from dataclasses import dataclass

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from embedge.core.identity import ALGORITHM, Grant
from embedge.errors import EmbedgeError


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A signing key: its name, its private part as PEM, its public part as a JSON Web Key."""

    kid: str
    pem: str
    public_jwk: str


def new_key_pair(kid: str) -> KeyPair:
    """Make a key on P-256."""
    private = ec.generate_private_key(ec.SECP256R1())
    return key_pair(kid, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"))


def key_pair(kid: str, pem: str) -> KeyPair:
    """Complete a private key by its public part. Raises: EmbedgeError where it is not one on P-256."""
    private = _private_key(kid, pem)
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return KeyPair(kid, pem, json.dumps({**public, "kid": kid, "alg": ALGORITHM, "use": "sig"}))


def sign(grant: Grant, kid: str, pem: str) -> str:
    """Return a token that says what was granted. Raises: EmbedgeError where the key is not one on P-256."""
    return jwt.encode(grant.claims(), _private_key(kid, pem), algorithm=ALGORITHM, headers={"kid": kid})


def _private_key(kid: str, pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(kid) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise _unusable(kid)
    return private


def _unusable(kid: str) -> EmbedgeError:
    return EmbedgeError(
        f"The signing key {kid} is damaged, or not one on the curve P-256. "
        "Put it back from a copy, or move it away and make another with: embedge keys init"
    )
