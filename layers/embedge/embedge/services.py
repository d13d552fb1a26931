"""What does the way of a request need from outside?"""

from dataclasses import dataclass

from embedge.core.cache_policy import CachePolicy
from embedge.flights import Flights
from embedge.ports import (
    Authenticator,
    Cache,
    KeySecret,
    Leases,
    Ledger,
    Memory,
    Purges,
    Rates,
    Routes,
    Tokenizers,
    Usage,
)
from embedge.rechecking import Rechecks
from embedge.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Services:
    """What the way stands on. `largest_answer_bytes`: what can be given back, by whatever way."""

    authenticator: Authenticator
    routes: Routes
    purges: Purges
    key_secret: KeySecret
    rates: Rates
    memory: Memory
    cache: Cache
    flights: Flights
    leases: Leases
    cache_policy: CachePolicy
    ledger: Ledger
    tokenizers: Tokenizers
    upstreams: Upstreams
    usage: Usage
    rechecks: Rechecks
    largest_answer_bytes: int
