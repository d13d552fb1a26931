"""What do operators see of a deployed function? Its log group, and how much it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from embedge.core.findings import Capacity, Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

_MILLI = 1000
# The names of its own metric blobs: nothing else is asked for, and no text of a caller's is in them.
_PATTERN = '"CloudWatchMetrics"'


class AwsDeployment:
    """The Deployment port on CloudWatch Logs and Lambda, with the operator's own rights."""

    def __init__(self, function: str) -> None:
        """Take the function's name; an alias or a version behind it is left out."""
        self._function = function.partition(":")[0]

    async def log_lines(self, since_s: float) -> Sequence[str] | Unreadable:
        """Return the metrics lines since then, as far as CloudWatch has them already."""
        try:
            async with _client("logs") as logs:
                reply = await logs.filter_log_events(
                    logGroupName=f"/aws/lambda/{self._function}",
                    startTime=int(since_s * _MILLI),
                    filterPattern=_PATTERN,
                )
        except (ClientError, BotoCoreError) as error:
            return Unreadable(f"the log cannot be read: {_name(error)}")
        return [event["message"] for event in reply["events"]]

    async def capacity(self) -> Capacity | Unreadable:
        """Return what is configured, and what the account may run at once where that may be seen."""
        try:
            async with _client("lambda") as client:
                configured = await client.get_function_configuration(FunctionName=self._function)
                reserved = await client.get_function_concurrency(FunctionName=self._function)
                account = await _account(client)
        except (ClientError, BotoCoreError) as error:
            return Unreadable(f"the function's configuration cannot be read: {_name(error)}")
        return Capacity(
            memory_mb=configured["MemorySize"],
            timeout_s=configured["Timeout"],
            reserved=reserved.get("ReservedConcurrentExecutions"),
            account=account,
        )


async def _account(client: Any) -> int | None:  # noqa: ANN401 (aiobotocore types its clients by literal names)
    try:
        settings = await client.get_account_settings()
    except (ClientError, BotoCoreError):
        return None
    return settings["AccountLimit"]["ConcurrentExecutions"]


def _name(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return cast("dict[str, Any]", error.response).get("Error", {}).get("Code", "refused")
    return type(error).__name__


def _client(service: str) -> Any:  # noqa: ANN401 (as above)
    session: Any = AioSession()
    return session.create_client(service)
