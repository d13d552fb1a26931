"""What does EventBridge say when an alarm changes its state?

Copied from the samples of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
(read 2026-11): of one metric, and of a composite alarm; names, states and times are the tests'.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

STACK = "embedge"


def alarm_event(alarm: str, state: str, at_s: float, **more: Any) -> dict[str, Any]:
    """Return the event of an alarm on one metric."""
    at = datetime.fromtimestamp(at_s, UTC)
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1",
        "resources": [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm}"],
        "detail": {
            "alarmName": alarm,
            "configuration": {
                "description": "What was spent in a day.",
                "metrics": [
                    {
                        "id": "30b6c6b2-a864-43a2-4877-c09a1afc3b87",
                        "metricStat": {
                            "metric": {
                                "dimensions": {"service": "embedge"},
                                "name": "cost_usd",
                                "namespace": "Embedge",
                            },
                            "period": 300,
                            "stat": "Sum",
                        },
                        "returnData": True,
                    }
                ],
            },
            "previousState": {
                "reason": "Threshold Crossed: 1 out of the last 1 datapoints was not over the threshold (50.0).",
                "reasonData": '{"version":"1.0","statistic":"Sum","period":300,"threshold":50.0}',
                "timestamp": "2019-10-01T13:56:40.987+0000",
                "value": "INSUFFICIENT_DATA",
            },
            "state": {
                "reason": "Threshold Crossed: 1 out of the last 1 datapoints [99.5] was over the threshold (50.0).",
                "reasonData": '{"version":"1.0","statistic":"Sum","period":300,"threshold":50.0}',
                "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000",
                "value": state,
                **more,
            },
        },
    }


def composite_event(alarm: str, state: str, at_s: float, **more: Any) -> dict[str, Any]:
    """Return the event of a composite alarm."""
    event = alarm_event(alarm, state, at_s, **more)
    event["detail"]["configuration"] = {"alarmRule": f"ALARM({STACK}/everybody/notify/day-80) AND ALARM(x)"}
    event["detail"]["state"]["reasonData"] = '{"triggeringAlarms":[{"arn":"arn","state":{"value":"ALARM"}}]}'
    return event
