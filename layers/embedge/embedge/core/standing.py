"""May who proves to be somebody go on, and with what limits? As Control says of the token and of its tenant."""

from collections.abc import Mapping
from dataclasses import dataclass

from embedge.core.granting import REFUSED, Granted, narrower_tier
from embedge.core.issuer import Issuer
from embedge.core.request import Limits, Principal
from embedge.core.tenant_document import CONF, EVERYBODY, blocks_in, is_blocked, parse_tenant, partition_of
from embedge.errors import CredentialRevoked, TenantBlocked

_Documents = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who shows a token: what that grants, and who says so."""

    granted: Granted
    issuer: Issuer

    def partitions(self) -> tuple[str, ...]:
        """Return where Control says what: of everybody, of the tenant, of the token."""
        return (
            partition_of(EVERYBODY),
            partition_of(self.granted.tenant),
            revoked_token(self.issuer.name, self.granted.token_id),
        )


def revoked_token(issuer: str, token_id: str) -> str:
    """Return where it says that a token was taken back."""
    return f"REVOKED#{issuer}#{token_id}"


def judge(bearer: Bearer, said: tuple[_Documents, ...], defaults: Limits) -> Principal:
    """Return the bearer with the limits of its tenant; `said` is what its partitions hold.

    Raises: CredentialRevoked, TenantBlocked; InvalidValue where it cannot be read what its limits are.
    """
    everybody, tenant, token = said
    if token:
        raise CredentialRevoked(f"{REFUSED}: this token was taken back. Ask your platform team for another.")
    if is_blocked(blocks_in(everybody)):
        raise TenantBlocked("This deployment is blocked: it serves nobody until its operators let it. Ask them.")
    if is_blocked(blocks_in(tenant)):
        raise TenantBlocked("This tenant is blocked, by its operators or because it spent too fast. Ask them.")
    return presumed(bearer, tenant, defaults)


def presumed(bearer: Bearer, tenant: _Documents, defaults: Limits) -> Principal:
    """Return the same, whether or not it may go on. Raises: InvalidValue."""
    granted, issuer = bearer.granted, bearer.issuer
    document = parse_tenant(tenant[CONF]) if CONF in tenant else issuer.limits
    return Principal(
        tenant=granted.tenant,
        scopes=granted.scopes,
        models=granted.models[0],
        limits=document.limits(defaults),
        exempt=granted.exempt,
        narrower_models=tuple(models for models in (*granted.models[1:], document.models) if models != ("*",)),
        tier=narrower_tier(granted.tier, document.tier),
        issuer=issuer.name,
        token_id=granted.token_id,
    )
