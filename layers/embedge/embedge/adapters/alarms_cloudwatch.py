"""How are a tenant's alarms made? As CloudWatch's, with the operator's rights; no function has them."""

from collections.abc import Sequence
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from embedge.core.tenant_alarms import Alarm
from embedge.errors import ServiceUnavailable

_HOUR_S = 3600
_NAMESPACE = "Embedge"


class CloudWatchAlarms:
    """The Alarms port; each tells a topic of SNS when it goes off."""

    def __init__(self, topic: str) -> None:
        """Take the topic's ARN."""
        self._topic = topic

    async def names(self, prefix: str) -> Sequence[str]:
        """Return the names of all that begin so. Raises: ServiceUnavailable."""
        try:
            async with _client() as client:
                pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
                return [alarm["AlarmName"] async for page in pages for alarm in page["MetricAlarms"]]
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The alarms cannot be read: {error}") from error

    async def put(self, alarm: Alarm) -> None:
        """Make an alarm, or change it to this. Raises: ServiceUnavailable."""
        try:
            async with _client() as client:
                await client.put_metric_alarm(
                    AlarmName=alarm.name,
                    AlarmDescription=alarm.description,
                    AlarmActions=[self._topic],
                    Namespace=_NAMESPACE,
                    MetricName=alarm.metric,
                    Dimensions=[{"Name": name, "Value": value} for name, value in alarm.dimensions],
                    Statistic=alarm.statistic,
                    Period=_HOUR_S,
                    EvaluationPeriods=1,
                    Threshold=alarm.threshold,
                    ComparisonOperator="GreaterThanOrEqualToThreshold",
                    TreatMissingData=alarm.missing,
                )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The alarm {alarm.name} cannot be made: {error}") from error

    async def delete(self, names: Sequence[str]) -> None:
        """Delete alarms; those that are not there are nobody's error. Raises: ServiceUnavailable."""
        try:
            async with _client() as client:
                for first in range(
                    0, len(names), 100
                ):  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html
                    await client.delete_alarms(AlarmNames=list(names[first : first + 100]))
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The alarms cannot be deleted: {error}") from error


def _client() -> Any:  # noqa: ANN401 (aiobotocore types its clients by literal names in a package of stubs)
    session: Any = AioSession()
    return session.create_client("cloudwatch")
