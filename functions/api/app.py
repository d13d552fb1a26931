"""How does API Gateway reach the app? Embeddings by the lane, all else by Mangum over FastAPI, on one event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from embedge.api.faults import log_fault
from embedge.api.lane import Lane
from embedge.api.runtime_json import speed_up_runtime_client
from embedge.bootstrap import serve
from embedge.core.address_rate import AddressRates
from embedge.settings import Settings

if TYPE_CHECKING:
    from mangum import Mangum
    from mangum.types import LambdaContext

# Clients are bound to the loop that they were made on, so it is made before all else, and never by asyncio.run.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_serving = serve(Settings.from_environ(os.environ), sys.stdout)
_per_second = _serving.requests_per_second_per_address
_rates = AddressRates(_per_second) if _per_second else None
_lane = Lane(_serving, _rates, _loop, log_fault)
_TAKES_JSON = speed_up_runtime_client()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | bytes:
    """Answer one REST API event."""
    answer = _lane.answer(event, context)
    if answer is None:
        return _adapter()(event, context)
    return answer if _TAKES_JSON else orjson.loads(answer)


@cache
def _adapter() -> Mangum:
    """Return the whole application, loaded when something else than embeddings is asked for."""
    from mangum import Mangum  # noqa: PLC0415 (a start is not to pay for it)

    from embedge.api.app import create_app  # noqa: PLC0415 (nor for FastAPI)

    return Mangum(create_app(_serving, _rates), lifespan="off")
