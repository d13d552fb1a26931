"""Which adapters does this process run on? The only place that chooses."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from embedge.adapters.answers_folder import FolderAnswers
from embedge.adapters.answers_s3 import S3Answers
from embedge.adapters.authenticator_jwt import Checks, JwtAuthenticator
from embedge.adapters.aws_clients import AwsClients, StandIn
from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.cache_entries_sqlite import SqliteCacheEntries
from embedge.adapters.cache_memory import MemoryCache
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.deployment_folder import FolderDeployment
from embedge.adapters.issuers_control import Believed, Issuers, KeySet
from embedge.adapters.jwks_httpx import HttpxKeyDocuments
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.key_secret import NamedKeySecret
from embedge.adapters.keys_control import OwnKeySet
from embedge.adapters.keys_jwks import PublishedKeySet
from embedge.adapters.keys_secret import SecretKeySet
from embedge.adapters.lease_items_sqlite import SqliteLeaseItems
from embedge.adapters.leases_dynamodb import DynamoDbLeases
from embedge.adapters.leases_sqlite import SqliteLeases
from embedge.adapters.ledger_items_dynamodb import DynamoDbLedgerItems
from embedge.adapters.ledger_items_sqlite import SqliteLedgerItems
from embedge.adapters.ledger_purse import PurseLedger
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.newcomers_ledger import AnyNewcomers, LedgerNewcomers
from embedge.adapters.purges_control import ControlPurges
from embedge.adapters.rates_gcra import GcraRates
from embedge.adapters.routes_control import ControlRoutes
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.adapters.signing_keys_file import FileSigningKeys
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.telemetry_powertools import PowertoolsTelemetry
from embedge.adapters.tokenizers_local import LocalTokenizers
from embedge.adapters.transport_bedrock import BedrockTransport
from embedge.adapters.transport_httpx import HttpxTransport
from embedge.adapters.transport_sagemaker import SageMakerTransport
from embedge.adapters.usage_ledger import LedgerUsage, Pace
from embedge.adapters.usage_records_file import FileUsageRecords
from embedge.adapters.usage_rows_dynamodb import DynamoDbUsageRows
from embedge.adapters.usage_rows_sqlite import SqliteUsageRows
from embedge.api.carriage import Carriage
from embedge.api.serving import Serving
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND, NO_CHARGE, StorePrices
from embedge.core.cache_policy import CachePolicy
from embedge.core.issuer import Issuer, OwnKeys, PublishedKeys, SharedSecret, own_issuer
from embedge.core.recheck import FREEZING, STEADY
from embedge.core.recheck import Pace as RecheckPace
from embedge.core.route import TransportName
from embedge.embed import Services
from embedge.errors import ServiceUnavailable
from embedge.flights import Flights
from embedge.ports import (
    Alarms,
    AnswerStore,
    Authenticator,
    Cache,
    CacheEntries,
    Clock,
    ControlTable,
    Deployment,
    DriftReports,
    Leases,
    LedgerItems,
    LedgerTable,
    NamedSecrets,
    Probing,
    SigningKeys,
    Transport,
    UsageRows,
)
from embedge.purging import of_space, purge
from embedge.rechecking import Rechecks
from embedge.reconcile import Sources
from embedge.settings import AnswersBucket, AnswersFolder, Settings, Tables
from embedge.upstreams import PROVIDERS, Upstreams
from embedge.upstreams.probing import Prober
from embedge.usage import Books
from embedge.verification import Verification

# A cache that is slower than this is worse than none; what could not be written then is written by the next miss.
_CACHE_LIMITS = CacheLimits(read_limit_s=0.5, write_limit_s=1.0)
_STATE_FILE = "embedge.db"
# Where the laptop's server logs, and operators read what each request came to.
LOG_FILE = "embedge.log"
_KEYS_FOLDER = "keys"
# Where `make run` says what its base URL is, while it serves.
SERVED_AT = "router.url"


@dataclass(frozen=True, slots=True)
class Alarming:
    """A stack's name, and where its tenants' alarms are."""

    stack: str
    alarms: Alarms


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operator's commands work on. `url` is the router's base URL, None where none is known to serve."""

    control: ControlTable
    signing_keys: SigningKeys
    probing: Probing
    entries: CacheEntries
    sources: Sources
    clock: Clock
    issuer: str
    audience: str
    authenticator: Authenticator
    deployment: Deployment
    url: str | None
    close: Callable[[], Awaitable[None]]
    alarming: Alarming | None = None


def serve(settings: Settings, stream: TextIO) -> Serving:
    """Build what the API stands on; log lines go to `stream`. Nothing is connected before it is needed."""
    clock = SystemClock()
    aws, https = AwsClients(_stand_in(settings), settings.dynamodb), HttpxTransport()
    telemetry = PowertoolsTelemetry(settings.service, settings.namespace, settings.log_level, stream)
    state = _state(settings.state, aws, clock, telemetry.fault)
    ledger = PurseLedger(state.ledger, clock)
    usage = LedgerUsage(state.ledger, clock, state.usage_pace, telemetry.fault)
    answers = _answers(settings, aws, clock)
    transports = _transports(https, aws)
    secrets = ReferencedSecrets(settings.secrets or {}, aws, clock, telemetry.fault)
    purges = ControlPurges(state.control, clock, telemetry.fault)

    async def distrust(space: bytes) -> None:
        await purge(state.control, of_space(space))
        await purges.read_again()

    rechecks = Rechecks(
        opinions=Prober(transports, PROVIDERS, secrets),
        distrust=distrust,
        clock=clock,
        random=random.random,
        on_fault=telemetry.fault,
        pace=state.recheck_pace,
    )

    async def close() -> None:
        await rechecks.close()
        await usage.flush()
        await ledger.close()
        await https.close()
        await aws.close()
        state.close()

    kept = KeptControl(state.control, clock, telemetry.fault)
    own_keys = OwnKeySet(kept, clock, telemetry.fault)
    checks = Checks(kept, LedgerNewcomers(state.ledger, clock), settings.limits, telemetry.fault)
    cache = MemoryCache(state.cache, clock, settings.memory_cache_bytes)
    services = Services(
        authenticator=JwtAuthenticator(_issuers(settings, own_keys, secrets, checks), checks, clock),
        routes=ControlRoutes(state.control, clock, telemetry.fault),
        purges=purges,
        key_secret=NamedKeySecret(settings.cache_key_secret, secrets, telemetry.fault),
        rates=GcraRates(state.ledger, clock),
        memory=cache,
        cache=cache,
        cache_policy=CachePolicy(state.cache_prices, clock.now_s, telemetry.fault),
        flights=Flights(),
        leases=state.leases,
        ledger=ledger,
        tokenizers=LocalTokenizers(telemetry.fault),
        upstreams=Upstreams(transports, secrets, random.random, telemetry.fault),
        usage=usage,
        rechecks=rechecks,
        largest_answer_bytes=settings.largest_kept_bytes if answers else settings.largest_answer_bytes,
    )
    carriage = Carriage(settings.largest_answer_bytes, answers)
    books = Books(usage, state.usage_rows, state.ledger_items, clock)
    return Serving(
        services,
        books,
        telemetry,
        clock,
        settings.longest_request_s,
        carriage,
        close,
        own_keys.published,
        settings.cors_origins,
        settings.requests_per_second_per_address,
        settings.budget_spent_status,
    )


def _issuers(settings: Settings, own_keys: OwnKeySet, secrets: NamedSecrets, checks: Checks) -> Issuers:
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


def _looking(settings: Settings, control: ControlTable, aws: AwsClients) -> Authenticator:
    """Return what says of a token what a router would, and counts nobody."""
    clock, kept = SystemClock(), KeptControl(control, SystemClock(), lambda _: None)
    checks = Checks(kept, AnyNewcomers(), settings.limits, lambda _: None)
    secrets = ReferencedSecrets(settings.secrets or {}, aws, clock, checks.on_fault)
    own_keys = OwnKeySet(kept, clock, checks.on_fault)
    return JwtAuthenticator(_issuers(settings, own_keys, secrets, checks), checks, clock)


def watch(settings: Settings, stream: TextIO) -> Callable[[], Awaitable[None]]:
    """Build what the canary does: compare the targets of every route, and report to `stream`."""
    # Here, because the api function never needs it.
    from embedge.adapters.drift_powertools import PowertoolsDrift  # noqa: PLC0415

    clock, aws = SystemClock(), AwsClients(_stand_in(settings))
    probing, _ = _probing(settings, aws)
    control = _state(settings.state, aws, clock, lambda _: None).control
    verification = Verification(control, probing, clock)
    reports: DriftReports = PowertoolsDrift(settings.service, settings.namespace, settings.log_level, stream)

    async def once() -> None:
        reports.report(await verification.watch())

    return once


def operate_folder(folder: Path, settings: Settings) -> Operation:
    """Build what commands on a laptop's state work on; it is made where it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = SqliteState(folder / _STATE_FILE)
    aws = AwsClients(_stand_in(settings))
    probing, close_probing = _probing(settings, aws)

    async def close() -> None:
        await close_probing()
        database.close()

    keys = FileSigningKeys(folder / _KEYS_FOLDER)
    control, entries, clock = SqliteControlTable(database), SqliteCacheEntries(database), SystemClock()
    sources = Sources(
        records=FileUsageRecords(folder / LOG_FILE),
        rows=SqliteUsageRows(database),
        items=SqliteLedgerItems(database),
        table=SqliteLedgerTable(database, clock),
        leases=SqliteLeaseItems(database),
    )
    looking = _looking(settings, control, aws)
    issuer, audience = settings.issuer, settings.audience
    deployment, url = FolderDeployment(folder / LOG_FILE), _line_of(folder / SERVED_AT)
    return Operation(control, keys, probing, entries, sources, clock, issuer, audience, looking, deployment, url, close)


def _line_of(file: Path) -> str | None:
    return file.read_text(encoding="utf-8").strip() if file.exists() else None


async def operate_stack(stack: str, secrets: Mapping[str, str]) -> Operation:
    """Build what commands on a deployed stack work on; `secrets` are what `env:` means. Raises: ServiceUnavailable."""
    # Here, because only operators need it, and importing it in a function would cost each start what botocore does.
    from embedge.adapters.alarms_cloudwatch import CloudWatchAlarms  # noqa: PLC0415
    from embedge.adapters.cache_entries_dynamodb import DynamoDbCacheEntries  # noqa: PLC0415
    from embedge.adapters.deployment_aws import AwsDeployment  # noqa: PLC0415
    from embedge.adapters.lease_items_dynamodb import DynamoDbLeaseItems  # noqa: PLC0415
    from embedge.adapters.stack_aws import SsmSigningKeys, stack_outputs  # noqa: PLC0415
    from embedge.adapters.usage_records_cloudwatch import CloudWatchUsageRecords  # noqa: PLC0415

    outputs = await stack_outputs(stack)
    aws = AwsClients()
    try:
        control = DynamoDbControlTable(aws, outputs["ControlTable"])
        entries = DynamoDbCacheEntries(aws, outputs["CacheTable"])
        ledger = outputs["LedgerTable"]
        sources = Sources(
            records=CloudWatchUsageRecords(aws, f"/aws/lambda/{outputs['FunctionName']}"),
            rows=DynamoDbUsageRows(aws, ledger),
            items=DynamoDbLedgerItems(aws, ledger),
            table=DynamoDbLedgerTable(aws, ledger),
            leases=DynamoDbLeaseItems(aws, ledger),
        )
        issuer, audience = outputs["Issuer"], outputs["Audience"]
        deployment, url = AwsDeployment(outputs["FunctionName"]), outputs["ApiUrl"]
        alarming = Alarming(stack, CloudWatchAlarms(outputs["AlarmTopic"]))
    except KeyError as error:
        raise ServiceUnavailable(f"The stack {stack} is not one of Embedge: it has no output {error}.") from error
    settings = Settings(state=Path(), secrets=secrets, issuer=issuer, audience=audience)
    probing, close = _probing(settings, aws)
    keys, clock, looking = SsmSigningKeys(stack), SystemClock(), _looking(settings, control, aws)
    return Operation(
        control, keys, probing, entries, sources, clock, issuer, audience, looking, deployment, url, close, alarming
    )


def _probing(settings: Settings, aws: AwsClients) -> tuple[Probing, Callable[[], Awaitable[None]]]:
    """Return who asks targets, as the router would, and what ends that; nothing is connected before it is needed."""
    https = HttpxTransport()

    async def close() -> None:
        await https.close()
        await aws.close()

    secrets = ReferencedSecrets(settings.secrets or {}, aws, SystemClock(), lambda _: None)
    return Prober(_transports(https, aws), PROVIDERS, secrets), close


def _transports(https: HttpxTransport, aws: AwsClients) -> Mapping[TransportName, Transport]:
    return {"https": https, "sagemaker": SageMakerTransport(aws), "bedrock": BedrockTransport(aws)}


def _stand_in(settings: Settings) -> StandIn | None:
    return settings.sagemaker and StandIn(settings.sagemaker.url, "us-east-1", "local", "local")


def _answers(settings: Settings, aws: AwsClients, clock: Clock) -> AnswerStore | None:
    match settings.answers:
        case AnswersFolder(path, url, key):
            return FolderAnswers(path, url, key, clock)
        case AnswersBucket(name):
            return S3Answers(aws, name)
        case None:
            return None


@dataclass(frozen=True, slots=True)
class _State:
    control: ControlTable
    ledger: LedgerTable
    ledger_items: LedgerItems
    usage_rows: UsageRows
    cache: Cache
    leases: Leases
    cache_prices: StorePrices
    usage_pace: Pace
    recheck_pace: RecheckPace
    close: Callable[[], None]


def _state(where: Tables | Path, aws: AwsClients, clock: Clock, on_fault: Callable[[str], None]) -> _State:
    if isinstance(where, Tables):
        return _State(
            DynamoDbControlTable(aws, where.control),
            DynamoDbLedgerTable(aws, where.ledger),
            DynamoDbLedgerItems(aws, where.ledger),
            DynamoDbUsageRows(aws, where.ledger),
            DynamoDbCache(aws, where.cache, clock, _CACHE_LIMITS, on_fault),
            DynamoDbLeases(aws, where.cache, clock, on_fault),
            DYNAMODB_ON_DEMAND,
            Pace(every_s=5, longest_s=0.25),
            FREEZING,
            lambda: None,
        )
    database = SqliteState(where / _STATE_FILE)
    return _State(
        SqliteControlTable(database),
        SqliteLedgerTable(database, clock),
        SqliteLedgerItems(database),
        SqliteUsageRows(database),
        SqliteCache(database, clock, on_fault),
        SqliteLeases(database, clock, on_fault),
        NO_CHARGE,
        Pace(every_s=0, longest_s=0.25),  # a row is written in less time than a thread takes to wake
        STEADY,
        database.close,
    )
