"""Which adapters do the functions run on that answer nobody? Not with those of `bootstrap/`, which load far more."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TextIO

from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.clock_system import SystemClock
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.lease_items_dynamodb import DynamoDbLeaseItems
from embedge.adapters.ledger_items_dynamodb import DynamoDbLedgerItems
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.notices_powertools import PowertoolsNotices
from embedge.adapters.usage_records_cloudwatch import CloudWatchUsageRecords
from embedge.adapters.usage_rows_dynamodb import DynamoDbUsageRows
from embedge.guard import act_and_tell
from embedge.ports import ControlTable
from embedge.reconcile import Audit, Sources, reconcile
from embedge.settings import Settings, SettingsError, Tables


def guarding(settings: Settings, stack: str, stream: TextIO) -> Callable[[Mapping[str, object]], Awaitable[None]]:
    """Build what the guard does with one event; what it did is told on `stream`. Raises: SettingsError."""
    if not stack:
        raise SettingsError("EMBEDGE_STACK_NAME is not set: the guard would not know its own alarms.")
    control = DynamoDbControlTable(AwsClients(), _tables(settings).control)
    notices = PowertoolsNotices(settings.service, settings.namespace, settings.log_level, stream)

    async def once(event: Mapping[str, object]) -> None:
        await act_and_tell(event, stack, control, notices)

    return once


def configuration(settings: Settings) -> ControlTable:
    """Build what a deployment writes its route to. Raises: SettingsError."""
    return DynamoDbControlTable(AwsClients(), _tables(settings).control)


def reconciling(settings: Settings, log_group: str, stream: TextIO) -> Callable[[float], Awaitable[None]]:
    """Build what one run does in so many seconds; what it found is told on `stream`. Raises: SettingsError."""
    if not log_group:
        raise SettingsError("EMBEDGE_LOG_GROUP is not set: there would be nothing to compare with.")
    aws, clock, ledger = AwsClients(), SystemClock(), _tables(settings).ledger
    sources = Sources(
        records=CloudWatchUsageRecords(aws, log_group),
        rows=DynamoDbUsageRows(aws, ledger),
        items=DynamoDbLedgerItems(aws, ledger),
        table=DynamoDbLedgerTable(aws, ledger),
        leases=DynamoDbLeaseItems(aws, ledger),
    )
    notices = PowertoolsNotices(settings.service, settings.namespace, settings.log_level, stream)
    audit = Audit(sources, notices, clock)

    async def once(longest_s: float) -> None:
        await reconcile(audit, clock.now_s() + longest_s)

    return once


def _tables(settings: Settings) -> Tables:
    if not isinstance(settings.state, Tables):
        raise SettingsError("These functions run on DynamoDB's tables.")
    return settings.state
