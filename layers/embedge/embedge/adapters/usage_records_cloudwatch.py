"""What has each request come to, by CloudWatch Logs? FilterLogEvents, page by page.

Not Logs Insights: that is paid by the gigabyte it looks through, and answers at most 10,000 lines.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html (read 2026-11)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embedge.adapters.dynamodb_calls import FAULTS, may_pass, send
from embedge.core.usage_record import read_record
from embedge.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from embedge.adapters.aws_clients import AwsClients, LogPage
    from embedge.core.usage_record import UsageRecord

# Of a request's two lines, the blob; only what was added up has a day.
_PATTERN = '{ $.usage_day = "*" && $._aws.Timestamp > 0 }'


class CloudWatchUsageRecords:
    """The UsageRecords port over the log group of the api function."""

    def __init__(self, aws: AwsClients, group: str) -> None:
        """Take the clients, and the log group's name."""
        self._aws = aws
        self._group = group

    async def read(self, start_ms: int, end_ms: int) -> AsyncIterator[UsageRecord]:
        """Yield what was logged from `start_ms` to before `end_ms`. Raises: ServiceUnavailable.

        That is CloudWatch's own time of a line, of which each has but one.
        """
        token = ""
        while True:
            page = await self._page(start_ms, end_ms, token)
            for event in page["events"]:
                if event["timestamp"] < end_ms:
                    for line in event["message"].splitlines():
                        record = read_record(line)
                        if record is not None:
                            yield record
            token = page.get("nextToken", "")
            if not token:
                return

    async def _page(self, start_ms: int, end_ms: int, token: str) -> LogPage:
        try:
            client = await self._aws.logs()
            ask = partial(
                client.filter_log_events,
                logGroupName=self._group,
                startTime=start_ms,
                endTime=end_ms,
                filterPattern=_PATTERN,
            )
            return await send(partial(ask, nextToken=token) if token else ask, may_pass)
        except FAULTS as error:
            raise ServiceUnavailable(f"The log {self._group} cannot be read: {error}") from error
