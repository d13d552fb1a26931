"""What do an operator's commands work on: a laptop's folder, or a deployed stack?"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedge.adapters.authenticator_jwt import Checks, JwtAuthenticator
from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.cache_entries_sqlite import SqliteCacheEntries
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.deployment_folder import FolderDeployment
from embedge.adapters.kept_control import KeptControl
from embedge.adapters.keys_control import OwnKeySet
from embedge.adapters.lease_items_sqlite import SqliteLeaseItems
from embedge.adapters.ledger_items_dynamodb import DynamoDbLedgerItems
from embedge.adapters.ledger_items_sqlite import SqliteLedgerItems
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.newcomers_ledger import AnyNewcomers
from embedge.adapters.secrets_aws import ReferencedSecrets
from embedge.adapters.signing_keys_file import FileSigningKeys
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.usage_records_file import FileUsageRecords
from embedge.adapters.usage_rows_dynamodb import DynamoDbUsageRows
from embedge.adapters.usage_rows_sqlite import SqliteUsageRows
from embedge.bootstrap.issuers import issuers
from embedge.bootstrap.state import STATE_FILE
from embedge.bootstrap.targets import prober, stand_in
from embedge.errors import ServiceUnavailable
from embedge.ports import (
    Alarms,
    Authenticator,
    CacheEntries,
    Clock,
    ControlTable,
    Deployment,
    Probing,
    SigningKeys,
)
from embedge.reconcile import Sources
from embedge.settings import Settings

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


def operate_folder(folder: Path, settings: Settings) -> Operation:
    """Build what commands on a laptop's state work on; it is made where it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = SqliteState(folder / STATE_FILE)
    aws = AwsClients(stand_in(settings))
    probing, close_probing = prober(settings, aws)

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
    probing, close = prober(settings, aws)
    keys, clock, looking = SsmSigningKeys(stack), SystemClock(), _looking(settings, control, aws)
    return Operation(
        control, keys, probing, entries, sources, clock, issuer, audience, looking, deployment, url, close, alarming
    )


def _looking(settings: Settings, control: ControlTable, aws: AwsClients) -> Authenticator:
    """Return what says of a token what a router would, and counts nobody."""
    clock, kept = SystemClock(), KeptControl(control, SystemClock(), lambda _: None)
    checks = Checks(kept, AnyNewcomers(), settings.limits, lambda _: None)
    secrets = ReferencedSecrets(settings.secrets or {}, aws, clock, checks.on_fault)
    own_keys = OwnKeySet(kept, clock, checks.on_fault)
    return JwtAuthenticator(issuers(settings, own_keys, secrets, checks), checks, clock)
