"""Who is believed in tests? The team's own keys, and the issuers that a Control table names, all behind fakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedge.adapters.authenticator_jwt import Checks, JwtAuthenticator
from embedge.adapters.issuers_control import Believed, Issuers
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.keys_control import OwnKeySet
from embedge.adapters.keys_jwks import PublishedKeySet
from embedge.adapters.keys_secret import SecretKeySet
from embedge.adapters.newcomers_ledger import LedgerNewcomers
from embedge.core.issuer import Issuer, OwnKeys, PublishedKeys, SharedSecret, own_issuer
from embedge.errors import ServiceUnavailable
from tests.fakes import FakeClock, FakeLedgerTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedge.adapters.issuers_control import KeySet
    from embedge.core.request import Limits
    from embedge.ports import Clock, ControlTable


class FakeKeyDocuments:
    """The KeyDocuments port: what is `published` by URL, and which URLs were `fetched`."""

    def __init__(self) -> None:
        self.published: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def fetch(self, published: PublishedKeys) -> bytes:
        self.fetched.append(published.url)
        self.meanwhile()
        if published.url not in self.published:
            raise ServiceUnavailable("nothing is there")
        return self.published[published.url]


class FakeSecrets:
    """The NamedSecrets port."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}

    async def named(self, reference: str) -> str:
        if reference not in self.secrets:
            raise ServiceUnavailable("there is no such secret")
        return self.secrets[reference]


class Identity:
    """An authenticator, and what it stands on."""

    def __init__(self, control: ControlTable, clock: Clock, limits: Limits) -> None:
        self.faults: list[str] = []
        self.documents, self.secrets, self.ledger = FakeKeyDocuments(), FakeSecrets(), FakeLedgerTable(FakeClock())
        self.kept = KeptControl(control, clock, self.faults.append)
        self.own_keys = OwnKeySet(self.kept, clock, self.faults.append)
        self._clock = clock
        own = Believed(own_issuer("embedge", "embedge"), self.own_keys)
        issuers = Issuers(own, self.kept, self._keys_of, self.faults.append)
        checks = Checks(self.kept, LedgerNewcomers(self.ledger, clock), limits, self.faults.append)
        self.authenticator = JwtAuthenticator(issuers, checks, clock)

    def _keys_of(self, issuer: Issuer) -> KeySet:
        match issuer.keys:
            case PublishedKeys():
                return PublishedKeySet(issuer.keys, self.documents, self._clock, self.faults.append)
            case SharedSecret(reference):
                return SecretKeySet(reference, self.secrets)
            case OwnKeys():
                return self.own_keys
