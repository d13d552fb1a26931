"""Whom does an alarm of money block? EventBridge brings each change of its state here."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from embedge.background import guarding
from embedge.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Clients are bound to the loop that they were made on, and outlive one event.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_guard = guarding(Settings.from_environ(os.environ), os.environ.get("EMBEDGE_STACK_NAME", ""), sys.stdout)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Act on one change. Raises: where it could not be acted on, so that Lambda brings it again."""
    del context
    _loop.run_until_complete(_guard(event))
