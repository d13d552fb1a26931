"""What does a token of the team's own say?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# ECDSA on P-256: small tokens, and public keys that may be shown to anyone.
ALGORITHM = "ES256"
ISSUED_SCOPES = ("embeddings", "models", "usage")
# Any other name or length is refused when the token is verified.
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
LONGEST_TOKEN = 8192


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what until when; times in seconds since the epoch, models as shell patterns."""

    issuer: str
    audience: str
    tenant: str
    scopes: Sequence[str]
    models: Sequence[str]
    issued_s: int
    expires_s: int
    token_id: str

    def claims(self) -> dict[str, object]:
        """Return the claims of the token."""
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": self.tenant,
            "tenant": self.tenant,
            "scope": " ".join(self.scopes),
            "models": list(self.models),
            "iat": self.issued_s,
            "exp": self.expires_s,
            "jti": self.token_id,
        }
