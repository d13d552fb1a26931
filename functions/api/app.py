"""How does API Gateway reach the app? Mangum over it, on one event loop that lives as long as the process."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from mangum import Mangum

from embedge.api.app import create_app
from embedge.bootstrap import serve
from embedge.settings import Settings

if TYPE_CHECKING:
    from mangum.types import LambdaContext

# Clients are bound to the loop that they were made on, so it is made before Mangum, and never by asyncio.run.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_adapter = Mangum(create_app(serve(Settings.from_environ(os.environ), sys.stdout)), lifespan="off")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one REST API event."""
    return _adapter(event, context)
