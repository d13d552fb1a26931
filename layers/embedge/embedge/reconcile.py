"""Do the rows of usage say what the log says, and the ledger's charges no less? Compared, told, and what is lost added.

Before that the leases of dead processes are closed: what they had not authorised is their tenants' again. After
it the budgets are measured of tenants that have alarms of their own (`budgets_taken.py`).

The log is read in windows of a quarter of an hour, each when it has been over for another one, and each is counted once
(`core/usage_repair.py`). A run goes on where the last one stopped; two at once, or one that died in the middle, count
and add nothing twice. What is missing in rows is added at once; what else differs, or more in rows than in the log, is
told once a day is over. Rows are never made smaller.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from embedge.budgets_taken import measure_budgets
from embedge.core.conditional_update import AbsentOr, Applied, Assign, Compare, ConditionalUpdate
from embedge.core.usage import PARTITION, Counts, RowName, UsageRow
from embedge.core.usage_groups import total
from embedge.core.usage_repair import (
    RECORDED,
    Drift,
    Window,
    counted,
    recorded_rows,
    repairs,
    within_rows,
)
from embedge.lease_closing import Report, close_dead_leases
from embedge.ports import Clock, LeaseItems, LedgerItems, LedgerTable, Notices, UsageRecords, UsageRows

WINDOW_MS = 900_000
# A process drops usage that it could not write for ten minutes; until this long after, it may still write.
SETTLED_AFTER_MS = 900_000
TOLERATED_PPM = 1_000
_STATE = "RECONCILE"
_CURSOR = "cursor"
_WATCHED = "on"
_DAY_S = 86_400
_ROW_KEPT_S = 400 * _DAY_S
_RECORD_KEPT_S = 10 * _DAY_S


@dataclass(frozen=True, slots=True)
class Sources:
    """What is compared: the log, the rows, and the ledger with its leases."""

    records: UsageRecords
    rows: UsageRows
    items: LedgerItems
    table: LedgerTable
    leases: LeaseItems


@dataclass(frozen=True, slots=True)
class Audit:
    """What is compared, and where it is told."""

    sources: Sources
    notices: Notices
    clock: Clock


@dataclass(slots=True)
class Found:
    """What a run came to. `behind_s`: how long what was not yet counted has been over."""

    windows: int = 0
    behind_s: int = 0
    drifting: list[tuple[str, str]] = field(default_factory=list["tuple[str, str]"])
    undercharged: list[str] = field(default_factory=list[str])
    repaired: Counts = field(default_factory=Counts)
    leases: Report = field(default_factory=lambda: Report((), 0))

    def is_well(self) -> bool:
        """Tell whether nothing differs."""
        return not self.drifting and not self.undercharged


async def reconcile(audit: Audit, until_s: float) -> Found:
    """Count what is due until that time, compare what it was about, add what is missing. Raises: ServiceUnavailable.

    What was done by then is done, and the next run goes on from there.
    """
    found = Found(leases=await close_dead_leases(audit.sources.table, audit.sources.leases, audit.clock.now_s()))
    for lease in found.leases.closed:
        said = {"tenant": lease.tenant, "given_back_nano_usd": lease.given_back_nano_usd}
        audit.notices.tell("lease closed", {**said, "lost_nano_usd": lease.lost_nano_usd}, {})
    start_ms, tenants = await _start(audit), set[str]()
    while (window := Window(start_ms, start_ms + WINDOW_MS)).end_ms + SETTLED_AFTER_MS <= _now_ms(audit):
        if audit.clock.now_s() >= until_s:
            break
        touched = await _count(audit, window)
        for tenant, day in sorted(touched):
            await _compare(audit, tenant, day, found)
        for tenant, day in sorted(await _over(audit, window)):
            await _close(audit, tenant, day, found)
        if not await _advance(audit, window):
            break  # another run is ahead
        tenants |= {tenant for tenant, _ in touched}
        found.windows, start_ms = found.windows + 1, window.end_ms
    for tenant in sorted(tenants):
        await _check_charges(audit, tenant, found)
    await measure_budgets(await _watched(audit), audit.sources.items, audit.notices, audit.clock.now_s())
    found.behind_s = max(0, _now_ms(audit) - SETTLED_AFTER_MS - start_ms) // 1000
    _tell(audit, found)
    return found


async def _start(audit: Audit) -> int:
    """Return up to where the log was counted; where it never was, the beginning of yesterday."""
    cursor = (await audit.sources.items.query(_STATE)).get(_CURSOR)
    yesterday = int(audit.clock.now_s()) // _DAY_S - 1
    return yesterday * _DAY_S * 1000 if cursor is None else cursor["c"]


async def _count(audit: Audit, window: Window) -> Collection[tuple[str, str]]:
    """Add a window's records up in items of their own; return whose they are, and of which days."""
    sums: dict[str, dict[RowName, Counts]] = {}
    watched = set[str]()
    async for record in audit.sources.records.read(window.start_ms, window.end_ms):
        of_tenant = sums.setdefault(record.row.tenant, {})
        of_tenant[record.row] = of_tenant.get(record.row, Counts()).plus(record.counts)
        watched |= {record.row.tenant} if record.watched else set()
    touched: set[tuple[str, str]] = set()
    for tenant, rows in sums.items():
        known = recorded_rows(tenant, await audit.sources.items.query(RECORDED + tenant))
        for row, counts in within_rows((one.name for one in known), rows).items():
            expires_s = _midnight_s(row.day) + _RECORD_KEPT_S
            await audit.sources.table.apply(RECORDED + tenant, row.sort_key(), counted(window, counts, expires_s))
            touched.add((tenant, row.day))
    for tenant, day in touched:
        expiry = Assign("ttl", _midnight_s(day) + _RECORD_KEPT_S)
        seen = ConditionalUpdate((expiry, Assign(_WATCHED, int(tenant in watched))), ())
        await audit.sources.table.apply(_STATE, f"{day}#{tenant}", seen)
    return touched


async def _compare(audit: Audit, tenant: str, day: str, found: Found) -> None:
    """Add what the rows of a tenant's day lack of what was logged, and tell of it where it is much."""
    logged, written = await _both(audit, tenant, day)
    added = Counts()
    for repair in repairs(logged, written):
        update = repair.update(_midnight_s(day) + _ROW_KEPT_S)
        if isinstance(await audit.sources.table.apply(PARTITION + tenant, repair.row.sort_key(), update), Applied):
            added = added.plus(repair.counts)
    found.repaired = found.repaired.plus(added)
    whole = total(row.counts for row in logged)
    _note(audit, tenant, day, Drift(whole, whole.without(added)), found)


async def _close(audit: Audit, tenant: str, day: str, found: Found) -> None:
    """Tell what still differs of a day that is over and wholly counted: now rows may have too much as well."""
    logged, written = await _both(audit, tenant, day)
    drift = Drift(total(row.counts for row in logged), total(row.counts for row in written))
    _note(audit, tenant, day, drift, found)


async def _both(audit: Audit, tenant: str, day: str) -> tuple[list[UsageRow], list[UsageRow]]:
    logged = recorded_rows(tenant, await audit.sources.items.query(RECORDED + tenant))
    written = await audit.sources.rows.read(tenant, day)  # after the log, or usage that came between would be missed
    return [row for row in logged if row.name.day == day], [row for row in written if row.name.day == day]


async def _check_charges(audit: Audit, tenant: str, found: Found) -> None:
    """Tell where this month's requests were billed more than the ledger has charged: its first law is broken."""
    today = datetime.fromtimestamp(audit.clock.now_s(), UTC).date()
    rows = await audit.sources.rows.read(tenant, today.replace(day=1).isoformat())
    balance = (await audit.sources.items.query(tenant)).get("B")  # after the rows: charges come first
    if balance is None or balance["mi"] != today.year * 12 + today.month:
        return
    billed, charged = total(row.counts for row in rows).cost, balance["ml"] - balance["ma"]
    if (billed - charged) * 1_000_000 > TOLERATED_PPM * billed:
        found.undercharged.append(tenant)
        said = {"tenant": tenant, "billed_nano_usd": billed, "charged_nano_usd": charged}
        audit.notices.tell("undercharged", said, {})


async def _watched(audit: Audit) -> Collection[str]:
    """Return the tenants that had alarms of their own when they last asked.

    Also those that ask no more: who is blocked cannot, and its alarm is to end when its budget is whole again.
    """
    last: dict[str, int] = {}
    for key, item in sorted((await audit.sources.items.query(_STATE)).items()):
        _, _, tenant = key.partition("#")
        if tenant:
            last[tenant] = item.get(_WATCHED, 0)
    return [name for name, watched in last.items() if watched]


async def _over(audit: Audit, window: Window) -> Collection[tuple[str, str]]:
    """Return the tenants and the day that this window is the last one of: requests are logged until just after it."""
    if window.start_ms % (_DAY_S * 1000):
        return []
    day = (datetime.fromtimestamp(window.start_ms / 1000, UTC).date() - timedelta(days=1)).isoformat()
    seen = (key.split("#", 1) for key in await audit.sources.items.query(_STATE) if "#" in key)
    return [(tenant, of_day) for of_day, tenant in seen if of_day == day]


async def _advance(audit: Audit, window: Window) -> bool:
    condition = AbsentOr(Compare("c", "=", window.start_ms))
    update = ConditionalUpdate((Assign("c", window.end_ms),), (condition,))
    return isinstance(await audit.sources.table.apply(_STATE, _CURSOR, update), Applied)


def _note(audit: Audit, tenant: str, day: str, drift: Drift, found: Found) -> None:
    apart = drift.parts_per_million()
    if apart <= TOLERATED_PPM:
        return
    if (tenant, day) not in found.drifting:
        found.drifting.append((tenant, day))
    said = {
        "tenant": tenant,
        "day": day,
        "apart_ppm": apart,
        "logged_requests": drift.logged.requests,
        "written_requests": drift.written.requests,
        "logged_nano_usd": drift.logged.cost,
        "written_nano_usd": drift.written.cost,
    }
    audit.notices.tell("usage drifts", said, {})


def _tell(audit: Audit, found: Found) -> None:
    audit.notices.tell(
        "reconciled",
        {},
        {
            "reconcile_windows": found.windows,
            "reconcile_behind_s": found.behind_s,
            "leases_closed": len(found.leases.closed),
            "leases_unknown": found.leases.unknown,
            "leases_given_back_usd": sum(lease.given_back_nano_usd for lease in found.leases.closed) / 1e9,
            "leases_lost_usd": sum(lease.lost_nano_usd for lease in found.leases.closed) / 1e9,
            "usage_drifting": len(found.drifting),
            "usage_undercharged": len(found.undercharged),
            "usage_repaired_requests": found.repaired.requests,
            "usage_repaired_usd": found.repaired.cost / 1e9,
        },
    )


def _now_ms(audit: Audit) -> int:
    return int(audit.clock.now_s() * 1000)


def _midnight_s(day: str) -> int:
    return int(datetime.combine(date.fromisoformat(day), time(), UTC).timestamp())
