"""Is this token one of an issuer that is believed, and may its bearer go on? Verified in this process.

The algorithm is the key's, never the token's; `kid` only looks up a key among the issuer's own. Remembered tokens are
void when they expire, when their key leaves the issuer's keys, or when anything is said anew of the issuer.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import NamedTuple, TypeAlias

import jwt
from jwt.exceptions import PyJWTError

from embedge.adapters.issuers_control import Believed, Issuers
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.public_keys import VerificationKey
from embedge.core.granting import REFUSED, granted, refused
from embedge.core.identity import LONGEST_TOKEN
from embedge.core.request import Limits, Principal
from embedge.core.standing import Bearer, judge, presumed
from embedge.core.tenant_document import CONF
from embedge.core.token_form import NoToken, TokenForm, read_token
from embedge.errors import AuthenticationFailed, CredentialExpired, CredentialMissing, InvalidValue, ServiceUnavailable
from embedge.ports import Clock, Newcomers

_MOST_REMEMBERED = 10_000
# A request is verified, and confirmed a moment later: what was judged by fresh documents is not judged again so soon.
_MOMENT_S = 0.1
_REFUSED_HEADERS = frozenset({"jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"})


@dataclass(frozen=True, slots=True)
class Checks:
    """What is asked beside a signature: what Control says, and how many new tenants an issuer may bring."""

    kept: KeptControl
    newcomers: Newcomers
    limits: Limits
    on_fault: Callable[[str], None]


_Documents: TypeAlias = Mapping[str, str]


@dataclass(slots=True)
class _Remembered:
    """A token that was verified: whose it is, where Control says more, and what was judged of it by which documents."""

    bearer: Bearer
    iss: str
    key: VerificationKey
    partitions: tuple[str, ...]
    judged_by: tuple[_Documents, ...] = ()
    judged: Principal | None = None

    def judged_now(self, said: tuple[_Documents, ...]) -> Principal | None:
        """Return what was judged by these very documents; whatever changes comes in another one."""
        same = len(said) == len(self.judged_by) and all(map(is_, said, self.judged_by))
        return self.judged if same else None


class _JustJudged(NamedTuple):
    """Whom a credential was judged to be, when, and how often Control had been read by then."""

    credential: str
    principal: Principal
    at_s: float
    times_read: int


class JwtAuthenticator:
    """The Authenticator port on JSON Web Tokens."""

    def __init__(self, issuers: Issuers, checks: Checks, clock: Clock) -> None:
        """Take who is believed, what else is asked, and the time."""
        self._issuers = issuers
        self._checks = checks
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._just_judged: _JustJudged | None = None

    async def verify(self, credential: str | None) -> Principal:
        """Return whom the token proves, with the limits that are known.

        Raises: AuthenticationFailed, TenantBlocked, ServiceUnavailable.
        """
        kept = self._checks.kept
        try:
            known = await self._known(credential)
        except AuthenticationFailed:
            if kept.is_fresh():
                raise
            await kept.freshen()  # nobody is refused by what may have changed since
            known = await self._known(credential)
        said = kept.all_known(known.partitions) if kept.is_fresh() else None
        if said is not None:
            principal = self._judged(known, said)
            if credential and not _may_be_new(known, said):
                now_s = self._clock.now_s()
                self._just_judged = _JustJudged(credential, principal, now_s, kept.times_read)
            return principal
        tenant = kept.known(known.partitions[1]) or {}
        return self._readable(lambda: presumed(known.bearer, tenant, self._checks.limits))

    async def confirm(self, credential: str | None) -> Principal:
        """Return the same as of at most 15 seconds ago. Raises: as above, whatever has changed."""
        kept = self._checks.kept
        just = self._judged_just_now(credential)
        if just is not None:
            return just
        await kept.freshen()
        known = await self._known(credential)
        said = kept.all_known(known.partitions) or tuple(await asyncio.gather(*map(kept.partition, known.partitions)))
        principal = self._judged(known, said)
        if _may_be_new(known, said):
            await self._checks.newcomers.admit(known.bearer.issuer, principal.tenant)
        return principal

    def _judged_just_now(self, credential: str | None) -> Principal | None:
        """Return whom this very credential was judged to be a moment ago, by all that is known now; once."""
        just, self._just_judged = self._just_judged, None
        if just is None or just.credential is not credential:
            return None
        unchanged = just.times_read == self._checks.kept.times_read and self._checks.kept.is_fresh()
        lately = 0 <= self._clock.now_s() - just.at_s <= _MOMENT_S
        return just.principal if unchanged and lately else None

    def _judged(self, known: _Remembered, said: tuple[_Documents, ...]) -> Principal:
        principal = known.judged_now(said)
        if principal is None:
            principal = self._readable(lambda: judge(known.bearer, said, self._checks.limits))
            known.judged_by, known.judged = said, principal
        return principal

    def _readable(self, principal: Callable[[], Principal]) -> Principal:
        try:
            return principal()
        except InvalidValue as error:
            self._checks.on_fault("tenant_unreadable")
            raise ServiceUnavailable("What this tenant may use cannot be read. Tell the operators.") from error

    async def _known(self, credential: str | None) -> _Remembered:
        token = _token(credential)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        if known is None or not await self._still_stands(known):
            self._remembered.pop(digest, None)
            known = self._remembered[digest] = await self._verified(token, digest)
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        if known.bearer.granted.expires_s <= self._clock.now_s():
            raise CredentialExpired(f"{REFUSED}: it has expired. Ask whoever issued it for a new one.")
        return known

    async def _still_stands(self, known: _Remembered) -> bool:
        believed = await self._issuers.who(known.iss)
        if believed is None or believed.issuer.version != known.bearer.issuer.version:
            return False
        key = await believed.keys.get(known.key.kid)
        return key is known.key or key == known.key  # the latter, too, where their document was read again

    async def _verified(self, token: str, digest: bytes) -> _Remembered:
        try:
            form = read_token(token)
        except NoToken as error:
            raise refused("it is not a JSON Web Token, or says something twice") from error
        if _REFUSED_HEADERS & form.header.keys():
            raise refused("its header brings a key of its own, or changes what is signed")
        iss = form.claims.get("iss")
        believed = await self._issuers.who(iss) if isinstance(iss, str) else None
        if believed is None:
            raise refused("its issuer is not one of this deployment's")
        key = await _key(form, believed)
        claims = _claims(token, key, believed, str(form.header["alg"]))
        grant = granted(claims, believed.issuer, digest.hex(), self._clock.now_s())
        bearer = Bearer(grant, believed.issuer)
        return _Remembered(bearer, str(iss), key, bearer.partitions())


def _may_be_new(known: _Remembered, said: tuple[_Documents, ...]) -> bool:
    """Tell whether it is to be asked if the issuer may bring this tenant: of which nothing is said."""
    return known.bearer.issuer.newcomers is not None and CONF not in said[1]


def _token(credential: str | None) -> str:
    scheme, _, token = (credential or "").strip().partition(" ")
    token = token.strip()
    if not scheme:
        raise CredentialMissing(
            "You didn't provide an API key. Send your token in the Authorization header: 'Authorization: Bearer TOKEN'."
        )
    if scheme.lower() != "bearer" or not token:
        raise refused("the Authorization header is not 'Bearer TOKEN'")
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise refused(f"it is not a JSON Web Token of at most {LONGEST_TOKEN} characters")
    return token


async def _key(form: TokenForm, believed: Believed) -> VerificationKey:
    key = await believed.keys.get(form.header.get("kid"))
    algorithm = form.header.get("alg")
    if key is None:
        raise refused("it was not signed with a key of its issuer's")
    if not isinstance(algorithm, str) or algorithm not in key.algorithms & believed.issuer.algorithms:
        raise refused("it is not signed with the algorithm of its key")
    return key


def _claims(token: str, key: VerificationKey, believed: Believed, algorithm: str) -> Mapping[str, object]:
    try:
        return jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            issuer=believed.issuer.issuer,
            audience=believed.issuer.audiences,
            # Times are held against our own clock port.
            options={"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except PyJWTError as error:
        raise refused("its signature, issuer or audience is not the right one") from error
