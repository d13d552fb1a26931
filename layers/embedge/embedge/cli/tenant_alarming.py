"""What follows for a tenant's alarms when its limits are put? They are made, or deleted with what they block."""

from embedge import tenancy
from embedge.bootstrap.operating import Operation
from embedge.core.tenant_alarms import alarms, prefix
from embedge.core.tenant_document import Block, TenantDocument
from embedge.errors import EmbedgeError

_GUARD = "guard#"


def checked(operation: Operation, document: TenantDocument) -> TenantDocument:
    """Return the document, if there can be such alarms. Raises: EmbedgeError."""
    if document.alarm and operation.alarming is None:
        raise EmbedgeError("Only a deployed stack has alarms: name it with --stack.")
    if document.alarm and not alarms("", "", document):
        raise EmbedgeError("There is no budget to watch. Set one, such as: --budget month=50 --alarm")
    return document


async def follow(operation: Operation, tenant: str, document: TenantDocument) -> list[str]:
    """Let a tenant's alarms be those that its document asks for, and return their names.

    What an alarm that is gone has blocked is let in again, since that would never end. Raises: ServiceUnavailable.
    """
    if operation.alarming is None:
        return []
    wanted = alarms(operation.alarming.stack, tenant, document) if document.alarm else ()
    for alarm in wanted:
        await operation.alarming.alarms.put(alarm)
    names = [alarm.name for alarm in wanted]
    there = await operation.alarming.alarms.names(prefix(operation.alarming.stack, tenant))
    await operation.alarming.alarms.delete([name for name in there if name not in names])
    await _let_in(operation, tenant, names)
    return names


async def _let_in(operation: Operation, tenant: str, names: list[str]) -> None:
    for source, block in (await tenancy.known(operation.control, tenant)).blocks.items():
        if block.blocked and source.startswith(_GUARD) and source.removeprefix(_GUARD) not in names:
            await tenancy.say(operation.control, tenant, source, Block(blocked=False, at_s=operation.clock.now_s()))
