"""What is loaded before a snapshot, so that no process that wakes from it has to? All that requests would load."""

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from embedge.api.event_answers import EventAnswers

if TYPE_CHECKING:
    from mangum.types import LambdaContext

# What is imported when it is first needed. The application is not made: FastAPI's caches hold what they have seen.
_LATE = ("aiobotocore.session", "embedge.api.app", "embedge.api.other_calls", "httpx", "mangum", "numpy")
# As much of a REST API's event as is read.
_EVENT: dict[str, Any] = {
    "resource": "/{proxy+}",
    "path": "/v1/embeddings",
    "httpMethod": "POST",
    "multiValueHeaders": {"Content-Type": ["application/json"]},
    "multiValueQueryStringParameters": None,
    "requestContext": {"requestId": "priming", "identity": {"sourceIp": "127.0.0.1"}},
    "body": "{}",
    "isBase64Encoded": False,
}


def prime(answers: EventAnswers) -> None:
    """Let it answer a stranger, which asks nobody outside; it is of no use any more then."""
    for name in _LATE:
        import_module(name)
    context = cast("LambdaContext", SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000))
    answers.answer(_EVENT, context)
    answers.end()
