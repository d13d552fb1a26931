"""Whose tokens are believed?"""

from embedge.adapters.authenticator_jwt import Checks
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.issuers_control import Believed, Issuers, KeySet
from embedge.adapters.jwks_httpx import HttpxKeyDocuments
from embedge.adapters.keys_control import OwnKeySet
from embedge.adapters.keys_jwks import PublishedKeySet
from embedge.adapters.keys_secret import SecretKeySet
from embedge.core.issuer import Issuer, OwnKeys, PublishedKeys, SharedSecret, own_issuer
from embedge.ports import NamedSecrets
from embedge.settings import Settings


def issuers(settings: Settings, own_keys: OwnKeySet, secrets: NamedSecrets, checks: Checks) -> Issuers:
    """Return whose tokens are believed; keys are fetched when the first token of an issuer comes."""
    clock, own = SystemClock(), own_issuer(settings.issuer, settings.audience)
    documents = HttpxKeyDocuments()

    def keys_of(issuer: Issuer) -> KeySet:
        match issuer.keys:
            case PublishedKeys():
                return PublishedKeySet(issuer.keys, documents, clock, checks.on_fault)
            case SharedSecret(reference):
                return SecretKeySet(reference, secrets)
            case OwnKeys():
                return own_keys

    return Issuers(Believed(own, own_keys), checks.kept, keys_of, checks.on_fault)
