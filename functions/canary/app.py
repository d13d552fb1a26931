"""Do the targets of each route still serve one space? Asked on a schedule; a target that drifts is taken out."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from embedge.bootstrap.watching import watch
from embedge.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Clients are bound to the loop that they were made on, and outlive one event.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_watch = watch(Settings.from_environ(os.environ), sys.stdout)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Verify every route once. Raises: ServiceUnavailable where the routes cannot be read."""
    del event, context
    _loop.run_until_complete(_watch())
