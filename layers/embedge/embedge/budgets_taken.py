"""How much of its budgets has each of these tenants taken? Measured for the alarms that they have of their own."""

from collections.abc import Iterable
from datetime import UTC, datetime

from embedge.core.account import taken_percent
from embedge.core.balance import Period
from embedge.ports import LedgerItems, Notices


async def measure_budgets(tenants: Iterable[str], items: LedgerItems, notices: Notices, now_s: float) -> None:
    """Measure, in percent, what of each tenant's budgets is taken. Raises: ServiceUnavailable."""
    now = datetime.fromtimestamp(now_s, UTC)
    for tenant in tenants:
        balance = (await items.query(tenant)).get("B")
        if balance is not None:
            taken = taken_percent(balance, Period(now.year * 12 + now.month, now.toordinal()))
            for period, percent in taken.items():
                notices.measure({"tenant": tenant, "period": period}, {"budget_taken_percent": percent})
