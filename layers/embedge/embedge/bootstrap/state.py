"""Where is the state: in DynamoDB's tables, or in one SQLite file on a laptop?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from embedge.adapters.aws_clients import AwsClients
from embedge.adapters.cache_dynamodb import CacheLimits, DynamoDbCache
from embedge.adapters.cache_sqlite import SqliteCache
from embedge.adapters.control_dynamodb import DynamoDbControlTable
from embedge.adapters.control_sqlite import SqliteControlTable
from embedge.adapters.leases_dynamodb import DynamoDbLeases
from embedge.adapters.leases_sqlite import SqliteLeases
from embedge.adapters.ledger_items_dynamodb import DynamoDbLedgerItems
from embedge.adapters.ledger_items_sqlite import SqliteLedgerItems
from embedge.adapters.ledger_table_dynamodb import DynamoDbLedgerTable
from embedge.adapters.ledger_table_sqlite import SqliteLedgerTable
from embedge.adapters.sqlite_state import SqliteState
from embedge.adapters.usage_ledger import Pace
from embedge.adapters.usage_rows_dynamodb import DynamoDbUsageRows
from embedge.adapters.usage_rows_sqlite import SqliteUsageRows
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND, NO_CHARGE, StorePrices
from embedge.core.recheck import FREEZING, STEADY
from embedge.core.recheck import Pace as RecheckPace
from embedge.ports import Cache, Clock, ControlTable, Leases, LedgerItems, LedgerTable, UsageRows
from embedge.settings import Tables

# A cache that is slower than this is worse than none; what could not be written then is written by the next miss.
_CACHE_LIMITS = CacheLimits(read_limit_s=0.5, write_limit_s=1.0)
STATE_FILE = "embedge.db"


@dataclass(frozen=True, slots=True)
class State:
    """What lasts, and what follows from where it is: the prices of the cache, and the paces."""

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


def state_on(where: Tables | Path, aws: AwsClients, clock: Clock, on_fault: Callable[[str], None]) -> State:
    """Return the state in DynamoDB's tables, or in the SQLite file of a folder."""
    if isinstance(where, Tables):
        return State(
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
    database = SqliteState(where / STATE_FILE)
    return State(
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
