"""How does a metrics blob look? CloudWatch's embedded metric format, one JSON object in a line of its own.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Mapping
from typing import TextIO, cast

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


def emit(stream: TextIO, namespace: str, of: Mapping[str, str], numbers: Mapping[str, float]) -> None:
    """Write numbers with these dimensions, the service among them, and flush the stream."""
    metrics = EphemeralMetrics(service=of["service"], namespace=namespace)
    for name, value in of.items():
        metrics.add_dimension(name, value)
    for name, value in numbers.items():
        metrics.add_metric(name, unit=MetricUnit.Count, value=value)
    blob = cast("Mapping[str, object]", metrics.serialize_metric_set())  # pyright: ignore[reportUnknownMemberType]
    stream.write(json.dumps(blob, separators=(",", ":")) + "\n")
    stream.flush()
