"""What does a token of the team's own say?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from embedge.core.request import ServiceTier

# ECDSA on P-256, or EdDSA on Curve25519: small tokens, and public keys that may be shown to anyone.
OwnAlgorithm: TypeAlias = Literal["ES256", "EdDSA"]
ISSUED_SCOPES = ("embeddings", "models", "usage")
# Any other name or length is refused when the token is verified.
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
LONGEST_TOKEN = 8192


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what until when; times in seconds since the epoch, models as shell patterns.

    `tier` narrows how its requests are served, and no rate binds who is `exempt`.
    """

    issuer: str
    audience: str
    tenant: str
    scopes: Sequence[str]
    models: Sequence[str]
    issued_s: int
    expires_s: int
    token_id: str
    tier: ServiceTier = "auto"
    exempt: bool = False

    def claims(self) -> dict[str, object]:
        """Return the claims of the token."""
        said: dict[str, object] = {
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
        narrowed = {} if self.tier == "auto" else {"tier": self.tier}
        return {**said, **narrowed, **({"exempt": True} if self.exempt else {})}
