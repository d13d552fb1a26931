"""How is a tenant shown to an operator?"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from embedge.cli.times import utc
from embedge.core.account import budgets_kept
from embedge.core.balance_forms import Period
from embedge.core.conditional_update import Item
from embedge.core.dollars import dollars
from embedge.core.request import NO_LIMIT
from embedge.core.tenant_document import Block, TenantDocument, is_blocked
from embedge.tenancy import Known

_NANO = 10**9


def tenant_table(tenants: Mapping[str, Known]) -> Iterator[str]:
    """Yield a head and a line for each tenant."""
    rows: list[tuple[str, ...]] = [
        ("TENANT", "DAY", "MONTH", "TOTAL", "REQUESTS/MIN", "TOKENS/MIN", "MODELS", "TIER", "")
    ]
    for name, known in tenants.items():
        blocked = [source for source, block in known.blocks.items() if block.blocked]
        says = f"BLOCKED by {', '.join(blocked)}" if blocked else ""
        rows.append((name, *(value for _, value in _limits(known.document or TenantDocument())), says))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def tenant_lines(name: str, document: TenantDocument) -> Iterator[str]:
    """Yield what is said of one tenant, a limit a line."""
    yield f"{name} (version {document.version})"
    for limit, value in _limits(document):
        yield f"  {limit:<20} {value}"
    for rate in document.model_rates:
        each = ((rate.requests_per_minute, "requests"), (rate.tokens_per_minute, "tokens"))
        yield f"  {rate.pattern}: {', '.join(f'{most} {kind}' for most, kind in each if most)} per minute"
    if document.over_limit_percent:
        yield f"  {document.over_limit_percent} % more than that may be served as over-limit"


def block_lines(blocks: Mapping[str, Block]) -> Iterator[str]:
    """Yield what each source says, and whether the tenant is blocked."""
    for source, block in sorted(blocks.items()):
        why = f": {block.reason}" if block.reason else ""
        yield f"  {'blocked' if block.blocked else 'let go'} by {source} at {utc(block.at_s)}{why}"
    yield "  blocked" if is_blocked(blocks) else "  not blocked"


def ledger_line(balance: Item | None, period: Period) -> str:
    """Return what the ledger has: the version of the limits that binds there, and what is taken of each budget."""
    if balance is None:
        return "  the ledger has nothing of it"
    taken = (
        f"; ${dollars(one.taken_nano_usd)} of ${dollars(one.limit_nano_usd)} taken, {one.period}"
        for one in budgets_kept(balance, period)
    )
    return f"  the ledger has version {balance['cv']}{''.join(taken)}"


def _limits(document: TenantDocument) -> Iterator[tuple[str, str]]:
    yield "budget day", _dollars(document.day_nano_usd)
    yield "budget month", _dollars(document.month_nano_usd)
    yield "budget total", _dollars(document.total_nano_usd)
    yield "requests per minute", _number(document.requests_per_minute)
    yield "tokens per minute", _number(document.tokens_per_minute)
    yield "models", " ".join(document.models) or "none"
    yield "tier", document.tier


def _dollars(nano_usd: int | None) -> str:
    if nano_usd is None or nano_usd >= NO_LIMIT:
        return _number(nano_usd)
    return f"${format((Decimal(nano_usd) / _NANO).normalize(), 'f')}"


def _number(limit: int | None) -> str:
    return "(default)" if limit is None else "none" if limit >= NO_LIMIT else str(limit)
