"""What is an issuer's shared secret now? HS256, only where an operator has configured one."""

from hashlib import sha256

from embedge.adapters.public_keys import VerificationKey
from embedge.errors import ServiceUnavailable
from embedge.ports import NamedSecrets

# As long as the hash that it keys: RFC 7518, section 3.2.
_FEWEST_BYTES = 32


class SecretKeySet:
    """One secret, whatever a token calls it."""

    def __init__(self, reference: str, secrets: NamedSecrets) -> None:
        """Take what the secret is called, and who knows it."""
        self._reference = reference
        self._secrets = secrets

    async def get(self, kid: object) -> VerificationKey | None:
        """Return the secret. Raises: ServiceUnavailable where it cannot be read, or is too short to be one."""
        del kid
        secret = (await self._secrets.named(self._reference)).encode()
        if len(secret) < _FEWEST_BYTES:
            raise ServiceUnavailable("The secret of this token's issuer is too short to verify it. Tell the operators.")
        return VerificationKey("", sha256(secret).hexdigest(), frozenset({"HS256"}), secret)
