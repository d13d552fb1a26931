"""What can be said of a tenant, so that every process hears of it? Its limits, and that it is blocked or is not.

A change is written first and announced afterwards, so who hears of it finds it. What was written and could not be
announced is heard of ten minutes later at the latest; doing it again announces it at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from embedge.core.changes import CHANGES, LAST, NO_CHANGES, read_changes
from embedge.core.identity import TENANT
from embedge.core.tenant_document import (
    CONF,
    EVERYBODY,
    TENANTS,
    Block,
    TenantDocument,
    block_of,
    blocks_in,
    parse_block,
    parse_tenant,
    partition_of,
)
from embedge.errors import EmbedgeError, InvalidValue
from embedge.ports import ControlTable

_MOST_TRIES = 20


@dataclass(frozen=True, slots=True)
class Known:
    """All that was said of a tenant: of its limits (None: nothing), and by each source of blocks."""

    document: TenantDocument | None
    blocks: Mapping[str, Block]


async def names(control: ControlTable) -> list[str]:
    """Return every tenant that something was said of. Raises: ServiceUnavailable."""
    return sorted(await control.query(TENANTS))


async def known(control: ControlTable, tenant: str) -> Known:
    """Return what was said of a tenant. Raises: ServiceUnavailable, InvalidValue."""
    documents = await control.query(partition_of(tenant))
    text = documents.get(CONF)
    return Known(None if text is None else parse_tenant(text), blocks_in(documents))


async def put(control: ControlTable, tenant: str, change: Callable[[TenantDocument], TenantDocument]) -> TenantDocument:
    """Change a tenant's limits, and return them as they stand now. Of two who do it at once, both count.

    Raises: ServiceUnavailable, where they may have been changed; InvalidValue; EmbedgeError.
    """
    check_name(tenant)
    await _list(control, tenant)
    for _ in range(_MOST_TRIES):
        seen = (await control.query(partition_of(tenant))).get(CONF)
        before = TenantDocument() if seen is None else parse_tenant(seen)
        after = replace(change(before), version=before.version + 1)
        parse_tenant(after.text())  # nobody may write what no process can read
        if await control.replace(partition_of(tenant), CONF, seen, after.text()):
            await announce(control, partition_of(tenant))
            return after
    raise _too_many()


async def say(control: ControlTable, tenant: str, source: str, block: Block) -> bool:
    """Let one source block a tenant (or EVERYBODY), or take that back. Return False where it has said newer things.

    So events may come twice, or in another order, and an old alarm blocks nobody anew. What another source says
    stays. Raises: ServiceUnavailable, where it may have been written; EmbedgeError.
    """
    if tenant != EVERYBODY:
        check_name(tenant)
    await _list(control, tenant)
    for _ in range(_MOST_TRIES):
        seen = (await control.query(partition_of(tenant))).get(block_of(source))
        standing = None if seen is None else parse_block(seen)
        # The same again may be the second try of who could not announce it.
        again = standing is not None and (standing.at_s, standing.blocked) == (block.at_s, block.blocked)
        if standing and standing.at_s >= block.at_s and not again:
            return False
        if again or await control.replace(partition_of(tenant), block_of(source), seen, block.text()):
            await announce(control, partition_of(tenant))
            return True
    raise _too_many()


async def announce(control: ControlTable, partition: str) -> None:
    """Let every process know that it has to read a partition anew. Raises: ServiceUnavailable, EmbedgeError."""
    for _ in range(_MOST_TRIES):
        seen = (await control.query(CHANGES)).get(LAST)
        changes = read_changes(seen) or NO_CHANGES
        if await control.replace(CHANGES, LAST, seen, changes.and_of(partition)):
            return
    raise _too_many()


def check_name(tenant: str) -> None:
    """Let pass what can be a tenant's name. Raises: InvalidValue."""
    if not TENANT.fullmatch(tenant):
        raise InvalidValue("A tenant's name is 1 to 64 letters, digits, dots, dashes and underscores.", param="tenant")


async def _list(control: ControlTable, tenant: str) -> None:
    if tenant not in await control.query(TENANTS):
        await control.put(TENANTS, tenant, "{}")


def _too_many() -> EmbedgeError:
    return EmbedgeError("Too many are changing this at the same time. Please try again.")
