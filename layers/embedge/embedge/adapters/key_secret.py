"""What are the keys of the cache hidden with? A secret that the deployment names, read once in a process's life.

Whoever changes it begins with an empty cache: what was kept under the old one is found by nobody, and expires.
"""

from collections.abc import Callable

from embedge.errors import ServiceUnavailable
from embedge.ports import NamedSecrets

# 16 bytes at random are 22 characters of base64: what is shorter can be guessed.
FEWEST_CHARACTERS = 22


class NamedKeySecret:
    """The KeySecret port."""

    def __init__(self, reference: str | None, secrets: NamedSecrets, on_fault: Callable[[str], None]) -> None:
        """Take where it is (None: there is none), who reads it, and whom to tell of faults."""
        self._reference = reference
        self._secrets = secrets
        self._on_fault = on_fault
        self._secret: bytes | None = None

    async def current(self) -> bytes | None:
        """Return it. Raises: ServiceUnavailable: without it, texts would be kept under names that can be guessed."""
        if self._secret is None and self._reference is not None:
            try:
                secret = await self._secrets.named(self._reference)
            except ServiceUnavailable as error:
                raise _unavailable() from error
            if len(secret) < FEWEST_CHARACTERS:
                self._on_fault("cache_key_secret_too_short")
                raise _unavailable()
            self._secret = secret.encode()
        return self._secret


def _unavailable() -> ServiceUnavailable:
    message = "The secret of this deployment's cache cannot be read just now. Please try again, or tell the operators."
    return ServiceUnavailable(message, retry_after_s=5)
