"""How does API Gateway reach the API? One event at a time, on one event loop that lives as long as the process."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

from embedge.api.compiled_dataclasses import use_compiled

gc.disable()  # what a start loads stays: looking through it again and again takes a tenth of the start
use_compiled()  # before what follows, whose dataclasses it is for

import orjson  # noqa: E402 (see above)

from embedge.api.event_answers import EventAnswers  # noqa: E402
from embedge.api.runtime_json import speed_up_runtime_client  # noqa: E402
from embedge.api.runtime_thread import wait_in_main_thread  # noqa: E402
from embedge.bootstrap.serving import serve  # noqa: E402
from embedge.settings import Settings  # noqa: E402
from embedge.snapshots import BornAnew, runtime_hooks  # noqa: E402

if TYPE_CHECKING:
    from mangum.types import LambdaContext

    from embedge.api.answer import JsonPieces

# Clients are bound to the loop that they were made on, so it is made before all else, and never by asyncio.run.
_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
_TAKES_JSON = speed_up_runtime_client()
wait_in_main_thread()
gc.freeze()  # nor is it looked through later: 281 of 58,000 objects could go, for a thirtieth of the start each time
gc.enable()
gc.set_threshold(20_000)  # ten times as rarely: a hundred hits make thousands of objects, and none that needs it


def _made() -> EventAnswers:
    # The environment is read again after a snapshot: credentials, for one, are each process's own.
    return EventAnswers(serve(Settings.from_environ(os.environ), sys.stdout), _loop)


_hooks = None
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from embedge.api.priming import prime  # only what is snapshot is primed

    _hooks = runtime_hooks()
    prime(EventAnswers(serve(Settings.from_environ(os.environ), StringIO()), _loop))
_answers = BornAnew(_made, EventAnswers.end, _hooks)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | JsonPieces:
    """Answer one REST API event."""
    answer = _answers.now().answer(event, context)
    return answer if _TAKES_JSON or isinstance(answer, dict) else orjson.loads(answer.joined())
