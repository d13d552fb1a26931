"""Do the usage that is kept and the ledger agree with the log? Asked on a schedule; what is provably lost is added."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from embedge.background import reconciling
from embedge.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# A window that was begun is finished: what is left of the function's time is for that.
_FINISHING_S = 60.0

# Clients are bound to the loop that they were made on, and outlive one event.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_reconcile = reconciling(Settings.from_environ(os.environ), os.environ.get("EMBEDGE_LOG_GROUP", ""), sys.stdout)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Reconcile once. Raises: ServiceUnavailable where the log or the ledger cannot be read; the next run goes on."""
    del event
    longest_s = context.get_remaining_time_in_millis() / 1000 - _FINISHING_S
    _loop.run_until_complete(_reconcile(longest_s))
