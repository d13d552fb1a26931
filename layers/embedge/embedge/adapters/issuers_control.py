"""Whose tokens are believed now? The team's own, and those of the issuers that the Control table names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from embedge.adapters.kept_control import KeptControl
from embedge.adapters.public_keys import VerificationKey
from embedge.core.issuer import ISSUERS, Issuer
from embedge.core.issuer_document import parse_issuer
from embedge.errors import InvalidValue


class KeySet(Protocol):
    """The keys of one issuer."""

    async def get(self, kid: object) -> VerificationKey | None:
        """Return a key that is valid now, None where there is none of that name. Raises: ServiceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Believed:
    """An issuer, and its keys."""

    issuer: Issuer
    keys: KeySet


class Issuers:
    """Everybody who is believed."""

    def __init__(
        self, own: Believed, kept: KeptControl, keys_of: Callable[[Issuer], KeySet], on_fault: Callable[[str], None]
    ) -> None:
        """Take the team's own keys, where others are named, where their keys come from, and whom to tell of faults."""
        self._own = own
        self._kept = kept
        self._on_fault = on_fault
        self._keys_of = keys_of
        self._read: Mapping[str, str] = {}
        self._believed: dict[str, Believed] = {}

    async def who(self, iss: str) -> Believed | None:
        """Return the issuer of tokens that say so, None where nobody believes it. Raises: ServiceUnavailable."""
        if iss == self._own.issuer.issuer:
            return self._own
        documents = await self._kept.partition(ISSUERS)
        if documents is not self._read:
            self._believe(documents)
        return self._believed.get(iss)

    def _believe(self, documents: Mapping[str, str]) -> None:
        """Take over what is said now; who is unchanged keeps its keys."""
        before = {believed.issuer.version: believed for believed in self._believed.values()}
        read = [
            issuer for name, text in sorted(documents.items(), reverse=True) if (issuer := self._parsed(name, text))
        ]
        self._believed = {
            issuer.issuer: before.get(issuer.version) or Believed(issuer, self._keys_of(issuer)) for issuer in read
        }
        self._read = documents

    def _parsed(self, name: str, document: str) -> Issuer | None:
        """Read an issuer; who cannot be read is not believed."""
        try:
            return parse_issuer(name, document)
        except InvalidValue:
            self._on_fault("issuer_unreadable")
            return None
