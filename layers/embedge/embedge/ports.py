"""What do we need from outside? Each is a Protocol of at most three methods; adapters fulfil them, fakes too."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from embedge.core.balance import Claim, Settled
from embedge.core.conditional_update import ConditionalUpdate, Item, ItemUpdate, Outcome, Refusals
from embedge.core.findings import Capacity, Unreadable
from embedge.core.generations import Generations
from embedge.core.issuer import Issuer, PublishedKeys
from embedge.core.lease import DueLease
from embedge.core.provenance import UNKNOWN, Doomed, Provenance, Swept
from embedge.core.request import Admission, EmbeddingRequest, Input, Observation, Principal, ServiceTier
from embedge.core.route import Route, Target
from embedge.core.space_check import Verdict, Watched
from embedge.core.tenant_alarms import Alarm
from embedge.core.usage import UsageRow
from embedge.core.usage_record import UsageRecord
from embedge.core.vector_codec import FloatVector, StoredVector
from embedge.core.wanted import WantedInput


class Clock(Protocol):
    """The wall clock."""

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        ...


class Authenticator(Protocol):
    """Who is asking?"""

    async def verify(self, credential: str | None) -> Principal:
        """Return whom the Authorization header proves, with the limits that are known by now.

        Raises: AuthenticationFailed, ServiceUnavailable; TenantBlocked where that is known already.
        """
        ...

    async def confirm(self, credential: str | None) -> Principal:
        """Return the same as of at most 15 seconds ago: nobody may be served before.

        Raises: AuthenticationFailed, TenantBlocked, ServiceUnavailable.
        """
        ...


class KeyDocuments(Protocol):
    """The keys that issuers publish."""

    async def fetch(self, published: PublishedKeys) -> bytes:
        """Return the key set that is there now, at most 64 KB. Raises: ServiceUnavailable."""
        ...


class NamedSecrets(Protocol):
    """Secrets that are sent nowhere, by reference."""

    async def named(self, reference: str) -> str:
        """Return what a reference names. Raises: ServiceUnavailable."""
        ...


class Newcomers(Protocol):
    """How many tenants may an issuer bring that nobody has named?"""

    async def admit(self, issuer: Issuer, tenant: str) -> None:
        """Let a tenant pass that was seen before, or may still come. Raises: TenantBlocked, ServiceUnavailable."""
        ...


class ControlTable(Protocol):
    """What operators decide: routes, keys. One JSON document for each (pk, sk)."""

    async def query(self, pk: str) -> Mapping[str, str]:
        """Return every document of a partition by its sort key. Raises: ServiceUnavailable."""
        ...

    async def put(self, pk: str, sk: str, document: str, expires_s: int | None = None) -> None:
        """Write a document, replacing what was there; after that second it may be gone. Raises: ServiceUnavailable."""
        ...

    async def replace(self, pk: str, sk: str, seen: str | None, document: str | None) -> bool:
        """Write a document, or take it away (None), if what is there is exactly what was `seen` (None: nothing).

        Return whether it was. Raises: ServiceUnavailable, where nobody may know whether it was done.
        """
        ...


class Routes(Protocol):
    """Where does a model's name lead?"""

    async def current(self) -> Mapping[str, Route]:
        """Return every route by every name that leads to it. Raises: ServiceUnavailable where none is known."""
        ...


class Purges(Protocol):
    """What of the cache has been purged?"""

    async def current(self) -> Generations:
        """Return how often each part was. Raises: ServiceUnavailable where that is not known."""
        ...


class KeySecret(Protocol):
    """What are the keys of the cache hidden with?"""

    async def current(self) -> bytes | None:
        """Return it, None where this deployment has none. Raises: ServiceUnavailable where it cannot be read."""
        ...


class Rates(Protocol):
    """How often may a tenant ask?"""

    async def admit(self, principal: Principal, asks: ServiceTier | None = None) -> Admission:
        """Admit one request, in a tier that it asks for. Raises: RequestRateLimited."""
        ...


class Cache(Protocol):
    """Vectors by the hash of their input. `tenant` is who asks: the key alone says whose an entry is."""

    async def get_many(self, keys: Sequence[bytes], dimensions: int, tenant: str = "") -> Mapping[bytes, StoredVector]:
        """Return what is kept, checked, under those of the keys that are, and when each of it expires.

        A fault is a miss, never an error.
        """
        ...

    async def put_many(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> None:
        """Keep vectors for `ttl_s` seconds; a fault is nobody's error."""
        ...

    async def keep_first(
        self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str = "", *, provenance: Provenance = UNKNOWN
    ) -> Mapping[bytes, StoredVector]:
        """Keep vectors, each only where none is kept yet; return what stands then, and when each of it expires.

        What is not returned has met a fault, which is nobody's error.
        """
        ...


class Memory(Protocol):
    """Vectors that this process has at hand: asking for them costs nothing, so they are always asked for first."""

    def held(self, keys: Sequence[bytes], dimensions: int) -> Mapping[bytes, StoredVector]:
        """Return what is held under those of the keys that are, and has not expired."""
        ...

    def hold(self, entries: Mapping[bytes, StoredVector], ttl_s: int, tenant: str) -> None:
        """Hold vectors for `ttl_s` seconds at most, as long as there is room."""
        ...


class CacheEntries(Protocol):
    """All entries of the cache, for operators."""

    async def count(self) -> int:
        """Return how many entries there are, as far as that is known cheaply. Raises: ServiceUnavailable."""
        ...

    async def sweep(self, doomed: Doomed, after: bytes | None, limit: int) -> Swept:
        """Look at so many entries at most from there on, in the store's order, and delete those that are doomed.

        Raises: ServiceUnavailable; what was deleted is deleted, and the same piece can be swept again.
        """
        ...


class Leases(Protocol):
    """Who fetches a vector that several processes need?"""

    async def take(self, keys: Sequence[bytes], seconds: int) -> Collection[bytes]:
        """Return those of the keys that nobody else has taken, and that the cache has not got meanwhile.

        They are taken for so many seconds. A fault is nobody's error: then they count as taken.
        """
        ...


class LedgerTable(Protocol):
    """One item at a time, or two, changed atomically or not at all."""

    async def apply(self, pk: str, sk: str, update: ConditionalUpdate) -> Outcome:
        """Carry out an update. Raises: ServiceUnavailable where nobody knows whether it was; it is not tried again."""
        ...

    async def transact(self, first: ItemUpdate, second: ItemUpdate) -> Refusals:
        """Carry out both updates, of two items, or neither. Raises: as above.

        Whoever sends the same two again has made sure that their conditions hold once.
        """
        ...


class LeaseItems(Protocol):
    """The ledger's leases, for who closes those of dead processes."""

    async def due(self, now_s: float) -> Sequence[DueLease]:
        """Return the open leases whose time is over. Raises: ServiceUnavailable."""
        ...


class LedgerItems(Protocol):
    """What stands in the ledger, for who only reads."""

    async def query(self, pk: str) -> Mapping[str, Item]:
        """Return the numbers of every item of a partition by its sort key. Raises: ServiceUnavailable."""
        ...


class Attempt(Protocol):
    """One call to a target, paid from a hold. One that is never ended counts as its worst case."""

    def billed(self, nano_usd: int) -> None:
        """Say what the call cost."""
        ...

    def unbilled(self) -> None:
        """Say that the call is known to have cost nothing."""
        ...

    def unknown(self) -> None:
        """Say that the call has ended, and that nobody knows what it cost: its worst case counts."""
        ...


class Hold(Protocol):
    """Money taken from the ledger for one request: a charge that only its holder may reduce."""

    async def attempt(self, bound_nano_usd: int, worst_nano_usd: int) -> Attempt:
        """Cover a call before it is sent, taking more where the hold does not reach.

        `bound_nano_usd` is the most that it may cost; `worst_nano_usd` what counts if its outcome stays unknown.
        Raises: BudgetSpent, ServiceUnavailable: then the call must not be sent.
        """
        ...

    async def settle(self) -> Settled:
        """End the hold: what no attempt was billed for goes back, what was billed beyond it is charged."""
        ...


class Ledger(Protocol):
    """Money and tokens, taken before they are spent."""

    async def take(self, principal: Principal, claim: Claim) -> Hold:
        """Take all of the claim or none. Raises: BudgetSpent, TokenRateLimited, ServiceUnavailable."""
        ...

    async def close(self) -> None:
        """Give back what is in the purses and in the leases."""
        ...


class Tokenizers(Protocol):
    """Exact token counts, and the text behind token ids."""

    async def count(self, route: Route, wanted: Sequence[WantedInput]) -> Mapping[bytes, int] | None:
        """Return the tokens of each input by its key; None where this process cannot count for this route.

        Counting may stop at the first input over the model's maximum: what comes after it is given by its bound.
        A text of over 64 KB that is over the maximum may be given as one token over it, whatever it has.
        """
        ...

    async def as_text(self, route: Route, request: EmbeddingRequest) -> EmbeddingRequest:
        """Return the request with its token ids decoded to text, where the route says so; else the request itself.

        Raises: InvalidValue, TooManyTokens, RequestTooLarge; ServiceUnavailable where this process cannot decode.
        """
        ...


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What a provider wants sent: `path` is appended to the target's endpoint where its transport has paths."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class WireResponse:
    """What came back: the status of the model's server, headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def is_success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 (HTTP's own meaning)


class NotSent(Exception):
    """The request never reached the target: nothing can have been billed."""


class NoAnswer(Exception):
    """The request may have reached the target, and no complete answer came: it may have been billed."""


class TimedOut(NoAnswer):
    """No complete answer came in time."""


class Transport(Protocol):
    """How bytes travel to a target."""

    async def send(self, target: Target, request: WireRequest) -> WireResponse:
        """Send once and return any answer, whatever its status. Raises: NotSent, NoAnswer, TimedOut."""
        ...


class Secrets(Protocol):
    """Secrets by reference."""

    async def reveal(self, target: Target) -> str | None:
        """Return what proves us to a target, None where it wants nothing.

        Raises: ServiceUnavailable; UpstreamRejected where it is not meant for the host of the target.
        """
        ...

    async def renew(self, target: Target, rejected: str) -> str | None:
        """Return it anew after the target has refused it; None where there is no other. Raises: as above."""
        ...


class NotKept(Exception):
    """The answer could not be kept."""


class AnswerStore(Protocol):
    """Answers that are too large to be sent back, for as long as it takes to fetch them."""

    async def keep(self, tenant: str, body: bytes) -> str:
        """Keep JSON and return a URL at which whoever has it can GET it for two minutes. Raises: NotKept."""
        ...


class Usage(Protocol):
    """What each tenant has used, added up by day, model, bot and project."""

    async def add(self, observation: Observation) -> None:
        """Count a request; what is due is written within a bound, and a fault is nobody's error."""
        ...

    async def flush(self) -> None:
        """Write what has not been written, within a bound; a fault is nobody's error."""
        ...


class UsageRows(Protocol):
    """What each tenant has used, for who only reads."""

    async def read(self, tenant: str | None, since_day: str) -> Sequence[UsageRow]:
        """Return the rows of a tenant, or of all, from that day on. Raises: ServiceUnavailable."""
        ...


class UsageRecords(Protocol):
    """What each request came to, as it was logged."""

    def read(self, start_ms: int, end_ms: int) -> AsyncIterator[UsageRecord]:
        """Yield what was logged from `start_ms` to before `end_ms`, in no order. Raises: ServiceUnavailable."""
        ...


class Probing(Protocol):
    """Do the targets of a route serve one space?"""

    async def probe(self, route: Route) -> tuple[Verdict, ...]:
        """Ask every target that serves, and judge each; whatever one does is its verdict, never an error."""
        ...


class SecondOpinions(Protocol):
    """What does a model say of a text that was embedded before?"""

    async def embed(self, route: Route, target: Target, content: Input) -> FloatVector:
        """Return the vector that a target gives the input alone, unscaled. Raises: EmbedgeError, NotSent, NoAnswer."""
        ...


class DriftReports(Protocol):
    """What operators see of targets that were compared."""

    def report(self, watched: Sequence[Watched]) -> None:
        """Write a log line for each route, and one metrics blob for all."""
        ...


class Notices(Protocol):
    """What operators see of what nobody has asked for."""

    def tell(self, what: str, fields: Mapping[str, str | int], numbers: Mapping[str, float]) -> None:
        """Write one log line, and one metrics blob with these numbers, where there are some."""
        ...

    def measure(self, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Write one metrics blob with these numbers, which are of what `of` names."""
        ...


class Alarms(Protocol):
    """The alarms that tenants have of their own."""

    async def names(self, prefix: str) -> Sequence[str]:
        """Return the names of all that begin so. Raises: ServiceUnavailable."""
        ...

    async def put(self, alarm: Alarm) -> None:
        """Make an alarm, or change it to this. Raises: ServiceUnavailable."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Delete alarms; those that are not there are nobody's error. Raises: ServiceUnavailable."""
        ...


class Telemetry(Protocol):
    """What operators see."""

    def record(self, observation: Observation, status: int, latency_ms: float, request_id: str) -> None:
        """Write one log line and one metrics blob for one invocation."""
        ...


class Deployment(Protocol):
    """What the router's surroundings say of it, to an operator, with an operator's rights."""

    async def log_lines(self, since_s: float) -> Sequence[str] | Unreadable:
        """Return the metrics lines since then (seconds since the epoch), or why they cannot be read."""
        ...

    async def capacity(self) -> Capacity | Unreadable:
        """Return how much may run, or why that cannot be said."""
        ...


class SigningKeys(Protocol):
    """The team's private keys: operators can read them, and no function can."""

    async def load(self) -> Sequence[tuple[str, str]]:
        """Return each key's name and its PEM, the newest first. Raises: ServiceUnavailable."""
        ...

    async def keep(self, kid: str, pem: str) -> None:
        """Keep a key, as the newest. Raises: ServiceUnavailable."""
        ...

    async def forget(self, kid: str) -> None:
        """Keep a key no longer; one that is not there is nothing. Raises: ServiceUnavailable."""
        ...
